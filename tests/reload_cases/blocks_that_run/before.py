import os
import sys

LOG = []
DEBUG = True

try:
    import json
except ImportError:
    json = None

if not DEBUG:
    LOG.append("not run")
elif DEBUG and isinstance(LOG, list):
    LOG.append("run")
else:
    LOG.append("not run")

if os.environ.get("HOME"):
    LOG.append("home")


class A:
    if DEBUG:
        x = 1
        if x:
            y = 1


if sys.version_info[:2] >= (3, 8):
    PLACE = "after"
