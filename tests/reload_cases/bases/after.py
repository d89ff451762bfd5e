class P:
    def f(self):
        return "P"


class Q:
    def f(self):
        return "Q"


class A(Q, P):
    def g(self):
        return super().f() * 2


class Plain(P):
    pass


class K(P, metaclass=type):
    pass
