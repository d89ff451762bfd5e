from enum import Enum, IntEnum


class Mode(Enum):
    ON = "on"
    OFF = "off"


class Number(IntEnum):
    ONE = 1
    TWO = 22


class Planet(Enum):
    EARTH = (3, 4)
    MARS = (5, 6)

    def __init__(self, a, b):
        self.a = a

    @classmethod
    def _missing_(cls, value):
        return cls.MARS


1 / 0
