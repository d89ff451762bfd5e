def add(cls):
    cls.__eq__ = lambda one, other: True
    return cls


class A:
    __slots__ = ("x",)


A = add(A)
__doc__ = "one"
