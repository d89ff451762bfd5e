import attr
from attrs import define, field, frozen


@attr.s
class A:
    x = attr.ib()
    y = attr.ib(default=2)
    w = attr.ib(factory=list)

    def f(self):
        return 2


@define(slots=False, order=True)
class B:
    x: int = field()
    w: int = 4
    tags: list = field(factory=list)

    @x.validator
    def check(self, attribute, value):
        if value == 1:
            raise ValueError(value)

    def f(self):
        return super().__init__() or __class__


@define
class Slotted:
    x: int = 1
    y: int = 2

    def f(self):
        return 2


@frozen
class Same:
    x: int = 2

    def f(self):
        return 2


@attr.s
class Sub(A):
    z = attr.ib(default=3)
