class A:
    def __init__(self):
        self.x = 1

    def __eq__(self, other):
        return isinstance(other, A)


class B:
    pass


class C:
    """CC."""

    x = 1
    """Of the x."""

    def __len__(self):
        return 2

    def __init_subclass__(cls):
        cls.made = True

    def __new__(cls, *args):
        return super().__new__(cls)


class D:
    def __eq__(self, other):
        return True
