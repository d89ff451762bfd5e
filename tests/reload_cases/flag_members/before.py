from enum import Flag, IntFlag, auto


class Perm(Flag):
    R = auto()
    W = auto()

    def can(self):
        return 1


class Bits(IntFlag):
    A = 1
    B = 2
    C = 4
