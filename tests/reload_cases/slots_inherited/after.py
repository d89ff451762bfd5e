class Base:
    __slots__ = ("x", "y")

    def __init__(self):
        self.x = 1
        self.y = 2


class Laid(Base):
    __slots__ = ("z",)

    def __init__(self):
        super().__init__()
        self.z = 3


class Below(Laid):
    def f(self):
        return 2


class Other:
    pass


class Meta(type):
    pass


class Kind(metaclass=Meta):
    pass


class OfKind(Kind):
    pass


class Root:
    def f(self):
        return 2


class Middle:
    def f(self):
        return 3


class Leaf(Middle):
    def g(self):
        return super().f()


alias = Laid


def check_kind(*kinds):
    return lambda it: isinstance(it, kinds)


is_laid = check_kind(int, Laid)
