class Base:
    __slots__ = ("x",)

    def __init__(self):
        self.x = 1


class Laid(Base):
    __slots__ = ("z",)

    def __init__(self):
        super().__init__()
        self.z = 3


class Below(Laid):
    def f(self):
        return 1


class Other:
    pass


class Meta(type):
    pass


class Kind:
    pass


class OfKind(Kind):
    pass


class Root:
    def f(self):
        return 1


class Middle(Root):
    pass


class Leaf(Middle):
    def g(self):
        return super().f()


alias = Laid


def check_kind(*kinds):
    return lambda it: isinstance(it, kinds)


is_laid = check_kind(int, Laid)
