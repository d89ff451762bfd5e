import attr
from attrs import define, field, frozen


@attr.s
class A:
    y = attr.ib(default=2)

    def f(self):
        return 2

    def __attrs_post_init__(self):
        self.z = 5


@define(slots=False, order=True)
class B:
    x: int = field()

    def f(self):
        return __class__


@define
class Slotted:
    x: int = 1
    y: int = 2

    def f(self):
        return 3


@frozen
class Same:
    x: int = 2

    def f(self):
        return 2


@attr.s
class Sub(A):
    z = attr.ib(default=3)


1 / 0
