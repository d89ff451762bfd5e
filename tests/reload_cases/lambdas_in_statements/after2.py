LOG = []
HANDLERS = []
X = lambda: 1 / 0
TABLE = {"a": lambda x: x + 100, "b": lambda y: y * 2}
Y = (lambda: 2)()
ORDER = sorted([1, -2, 3], key=lambda it: -it)
HANDLERS.append(lambda: LOG.append(3))
D = lambda a=2: a
raise ValueError
