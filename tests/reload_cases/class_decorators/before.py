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


def copying(cls):
    names = {k: v for k, v in vars(cls).items() if k not in ("__dict__", "__weakref__")}
    return type(cls)(cls.__name__, cls.__bases__, names | {"copied": True})


class E:
    def f(self):
        return 1
