from typing import NamedTuple, TypedDict


class P(NamedTuple):
    x: int
    y: int = 2

    def f(self):
        return self.x, self.y

    def g(self):
        return 3


class Q(NamedTuple):
    x: int
    y: int = 5


class D(TypedDict):
    a: int
    b: str
