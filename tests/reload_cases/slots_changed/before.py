class A:
    __slots__ = ("x",)

    def f(self):
        return 1


class B:
    __slots__ = ("x",)
    y = 1

    def f(self):
        return 1


class Plain:
    pass
