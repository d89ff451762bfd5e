X = 1


class A:
    pass
