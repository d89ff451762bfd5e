def f(a: int):
    return 1


def g(a: int):
    return 1
