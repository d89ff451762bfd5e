import enum
from enum import Enum, IntEnum, auto


class Color(Enum):
    RED = auto()
    PINK = auto()
    GREEN = auto()
    ROSE = 2

    def hex(self):
        return 2, __class__ is Color

    @property
    def low(self):
        return self.name.lower() + "!"


class Size(IntEnum):
    XS = 0
    S = 1
    M = 2
    L = 3


@enum.unique
class Word(str, Enum):
    ALSO = "b"
    A = "a"
