A = 2


def f(x=2):
    "new"
    return -A, x


B = 1
1 / 0
