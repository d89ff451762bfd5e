class A:
    count = 0

    def f(self):
        return 1

    @classmethod
    def g(cls):
        return 1

    @property
    def p(self):
        return 1

    @staticmethod
    def s():
        return 1
