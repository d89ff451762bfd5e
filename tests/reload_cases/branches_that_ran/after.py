def f():
    return "new"


def g():
    return "new"
