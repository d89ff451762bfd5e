from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class E(Enum):
    A = 1
    C = 3

    def f(self):
        return 1


E.DEFAULT = E.A


class N(NamedTuple):
    x: int = 2

    def f(self):
        return 1


N.zero = N(0)


@dataclass
class D:
    x: int = 2

    def f(self):
        return 1


D.one = D(1)
