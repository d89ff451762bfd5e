A = 1


def f(x=1):
    "old"
    return A, x


def g():
    pass
