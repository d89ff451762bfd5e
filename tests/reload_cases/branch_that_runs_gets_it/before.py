import sys

if sys:
    f = len
else:

    def f(it):
        return 1
