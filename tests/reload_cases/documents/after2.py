"new"


class A:
    "new"
    x = 1


def f():
    "new"
