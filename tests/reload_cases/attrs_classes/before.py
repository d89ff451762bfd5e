import attr
from attrs import define, field, frozen


@attr.s
class A:
    x = attr.ib()
    y = attr.ib(default=1)

    def f(self):
        return 1


@define(slots=False)
class B:
    x: int = field()
    tags: list = field(factory=list)

    @x.validator
    def check(self, attribute, value):
        if value == 0:
            raise ValueError(value)

    def f(self):
        return super().__init__() or 1


@define
class Slotted:
    x: int = 1

    def f(self):
        return 1


@frozen
class Same:
    x: int = 1

    def f(self):
        return 1


@attr.s
class Sub(A):
    z = attr.ib(default=3)
