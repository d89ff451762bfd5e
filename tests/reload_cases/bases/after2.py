class P:
    def f(self):
        return "P"


class Q:
    def f(self):
        return "Q"


class A(P):
    def g(self):
        return super().f() * 3


class Plain(P):
    pass


class K(P, metaclass=type):
    pass


1 / 0
