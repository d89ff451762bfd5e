import dataclasses
from dataclasses import InitVar, dataclass, field
from typing import ClassVar


@dataclass
class A:
    x: int = 1


@dataclass(order=True)
class B:
    x: int = 1
    key: InitVar[int] = 5
    count: ClassVar[int] = 0

    def __post_init__(self, key):
        self.key2 = key


class Plain:
    x: int = 1
    y: list = []


@dataclass(slots=True)
class S:
    x: int = 1
    y: list = field(default_factory=list)

    def f(self):
        return 1

    def g(self):
        return super().__repr__()


@dataclass(slots=True)
class Derived(S):
    z: int = 3


@dataclass(kw_only=True, eq=False)
class K:
    x: int
    y: int = field(default=2, kw_only=False)
