"""two"""


def add(cls):
    cls.__eq__ = lambda one, other: True
    return cls


class A:
    __slots__ = ("x", "y")


A = add(A)
