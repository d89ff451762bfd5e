try:
    import json
except ImportError:
    json = None

if json:

    def f():
        return 1
else:

    def f():
        return 2
