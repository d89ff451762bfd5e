import sys

if sys:

    def f(it):
        return len(it) + 1

else:

    def f(it):
        return 3
