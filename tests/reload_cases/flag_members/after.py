from enum import Flag, IntFlag, auto


class Perm(Flag):
    R = auto()
    W = auto()
    X = auto()
    RW = R | W

    def can(self):
        return 2


class Bits(IntFlag):
    A = 1
    D = 8
    C = 4
