import dataclasses
from dataclasses import InitVar, dataclass, field
from typing import ClassVar


@dataclass(frozen=True, order=True, kw_only=True)
class A:
    x: int = 1


@dataclass
class B:
    x: int = 1
    key: InitVar[int] = 6
    count: ClassVar[int] = 0

    def __post_init__(self, key):
        self.key2 = -key

    def __eq__(self, other):
        return True


@dataclasses.dataclass
class Plain:
    x: int = 1


@dataclass(slots=True)
class S:
    x: int = 2
    y: list = field(default_factory=list)

    def f(self):
        return 2

    def g(self):
        return super().__repr__()


@dataclass(slots=True)
class Derived(S):
    z: int = 3


@dataclass(kw_only=True, eq=False)
class K:
    x: int
    w: int
    y: int = field(default=2, kw_only=False)
