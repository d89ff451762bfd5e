# one
# two
def f():
    raise ValueError


def g():
    return [lambda: 1 / 0 for _ in range(2)]


HELD = g()
