import enum
from enum import Enum, IntEnum, auto


class Color(Enum):
    RED = auto()
    GREEN = auto()
    BLUE = auto()

    def hex(self):
        return 1

    @property
    def low(self):
        return self.name.lower()


class Size(IntEnum):
    S = 1
    M = 2


@enum.unique
class Word(str, Enum):
    A = "a"
    ALSO = "b"
