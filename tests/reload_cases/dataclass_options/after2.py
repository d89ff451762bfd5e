import dataclasses
from dataclasses import InitVar, dataclass, field
from typing import ClassVar


class A:
    x: int = 1


@dataclass
class B:
    x: int = 1


@dataclasses.dataclass
class Plain:
    x: int = 1


@dataclass(slots=True)
class S:
    x: int = 2
    y: list = field(default_factory=list)
    w: int = 4

    def f(self):
        return 3

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
