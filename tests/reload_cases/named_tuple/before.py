from typing import NamedTuple, TypedDict


class P(NamedTuple):
    x: int
    y: int = 1

    def f(self):
        return 1


class Q(NamedTuple):
    x: int


class D(TypedDict):
    a: int
