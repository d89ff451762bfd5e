class A:
    @property
    def x(self):
        return 2

    @x.deleter
    def x(self):
        raise KeyError
