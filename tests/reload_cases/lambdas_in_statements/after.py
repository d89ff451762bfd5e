LOG = []
HANDLERS = []
# A comment.
X = lambda: [2 for _ in range(2)]
TABLE = {"a": lambda x: x + 10, "b": lambda y: y * 2}
Y = (lambda: 2)()
ORDER = sorted([1, -2, 3], key=lambda it: -it)
HANDLERS.append(lambda: LOG.append(2))
D = lambda a=2: a


class A:
    f = lambda self: __class__
    LOG.append("class")


def make():
    return lambda: X()
