"doc"


class A:
    "doc"
    x = 1


def f():
    "doc"
