x = 1
y = 2
try:
    import json
except ImportError:
    found = False
else:
    found = True
if x:

    def f():
        return 2
