import os
import sys

LOG = []
DEBUG = True

try:
    import json
    import there_is_no_such_module
except ImportError:
    json = None

if not DEBUG:
    LOG.append("not run")
    one = 1
elif DEBUG and isinstance(LOG, list):
    LOG.append("run")

    def two():
        raise ValueError
else:
    LOG.append("not run")
    three = 3

if os.environ.get("HOME"):
    LOG.append("home")
    four = 4


class A:
    if DEBUG:
        x = 1
        if x == 1:
            y = 2

            def f(self):
                return __class__


if len(LOG) == 2:
    five = 5
else:
    six = 6


if sys.version_info[:2] >= (3, 8):
    PLACE = "after"
    seven = 7
