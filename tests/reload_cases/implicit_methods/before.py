class A:
    x: int = 1


class B:
    pass
