from functools import total_ordering


@total_ordering
class A:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return self.x == other.x

    def __gt__(self, other):
        return self.x < other.x


@total_ordering
class B:
    def __init__(self, x):
        self.x = x

    def __lt__(self, other):
        return self.x < other.x
