class A:
    count = 0

    def f(self):
        return super().__repr__()

    @classmethod
    def g(cls):
        return cls.__name__

    @property
    def p(self):
        return __class__

    @staticmethod
    def s():
        return 2
