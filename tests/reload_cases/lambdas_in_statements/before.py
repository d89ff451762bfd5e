LOG = []
HANDLERS = []
X = lambda: 1
TABLE = {"a": lambda x: x + 1, "b": lambda y: y * 2}
Y = (lambda: 1)()
ORDER = sorted([1, -2, 3], key=lambda it: it)
HANDLERS.append(lambda: LOG.append(1))
D = lambda a=1: a


class A:
    f = lambda self: 1
    LOG.append("class")


def make():
    return lambda: X()
