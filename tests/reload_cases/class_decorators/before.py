SEEN = []


def noted(cls):
    SEEN.append(cls)
    cls.note = 1
    return cls


def wrapping(cls):
    inner = cls.f
    cls.f = lambda self: ("wrapped", inner(self))
    return cls


def replacing(cls):
    return type("Other", (cls,), {"__module__": __name__})


class A:
    STATE = []

    def f(self):
        return 1


@wrapping
class B:
    def f(self):
        return super().__init__() or 1


@noted
class C:
    x = 1


class D:
    pass
