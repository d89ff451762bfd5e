class A:
    def __init__(self):
        self.x = 1


class B:
    def __eq__(self, other):
        return True


class C:
    """C."""

    x = 1
    """Of x."""

    def __len__(self):
        return 1


class D:
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1
