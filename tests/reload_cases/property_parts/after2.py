class A:
    @property
    def x(self):
        return 2

    @x.setter
    def x(self, value):
        raise LookupError

    @x.deleter
    def x(self):
        raise KeyError
