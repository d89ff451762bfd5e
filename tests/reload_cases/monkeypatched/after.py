def f():
    return 2


def call_f():
    return f()
