def g():
    yield 10
    yield 20


def f():
    return helper() + 1


def helper():
    return 1
