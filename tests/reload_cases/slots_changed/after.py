class A:
    __slots__ = ("x", "y")

    def f(self):
        return 2

    def g(self):
        return __class__


class B:
    __slots__ = ("x",)
    y = 2

    def f(self):
        return __class__


class Plain:
    __slots__ = ()
