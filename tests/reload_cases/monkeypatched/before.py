LIMIT = 3


def f():
    return 1


def g():
    return 10


def call_f():
    return f()
