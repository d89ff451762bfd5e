import sys

if sys.version_info < (3,):
    def f():
        return "old Python"

    def only_there():
        return 1
else:
    def f():
        return "live"

if sys.version_info < (3,):
    def g():
        return "old Python"
