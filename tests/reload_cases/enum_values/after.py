from enum import Enum, IntEnum


class Mode(Enum):
    ON = "ON"
    OFF = "off"
    LIST = [2]
    KEY = object()

    def __init__(self, text):
        self.label = text


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
