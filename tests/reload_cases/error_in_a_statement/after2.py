A = 3


def f(x=3):
    "new"
    return -A, x
