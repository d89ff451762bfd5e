from enum import Enum, IntEnum


class Mode(Enum):
    ON = "on"
    OFF = "off"
    LIST = [1]
    KEY = object()

    def __init__(self, text):
        self.label = text


class Number(IntEnum):
    ONE = 1
    TWO = 2


class Planet(Enum):
    EARTH = (1, 2)

    def __init__(self, a, b):
        self.a = a

    @classmethod
    def _missing_(cls, value):
        return cls.EARTH
