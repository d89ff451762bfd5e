try:
    import json
except ImportError:
    json = None

if json:

    def f():
        return 3

    def g():
        return json.dumps(f())

    x = 1
else:

    def f():
        return 4
