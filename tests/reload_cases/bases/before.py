class P:
    def f(self):
        return "P"


class Q:
    def f(self):
        return "Q"


class A(P):
    def g(self):
        return super().f()


class Plain:
    pass


class K(P):
    pass
