import enum
from enum import Enum, IntEnum, auto


class Color(Enum):
    RED = auto()
    PINK = auto()
    GREEN = auto()
    ROSE = 2

    def hex(self):
        return 3

    @property
    def low(self):
        return self.name.lower() + "!"


class Size(IntEnum):
    XS = 0
    S = 1


@enum.unique
class Word(str, Enum):
    ALSO = "b"
    A = "a"
    TWICE = "a"
