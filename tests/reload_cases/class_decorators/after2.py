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


@noted
@wrapping
class A:
    STATE = []

    def f(self):
        return 3


@wrapping
class B:
    def f(self):
        return super().__init__() or 2


class C:
    x = 2


@replacing
class D:
    pass


def copying(cls):
    names = {k: v for k, v in vars(cls).items() if k not in ("__dict__", "__weakref__")}
    return type(cls)(cls.__name__, cls.__bases__, names | {"copied": True})


@copying
class E:
    def f(self):
        return super().__init__() or __class__


1 / 0
