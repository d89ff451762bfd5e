def g():
    yield 1
    yield 2


def f():
    return helper()


def helper():
    return 1
