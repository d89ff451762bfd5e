def make():
    class A:
        x = 2

        def f(self):
            return 2

    class B:
        def g(self):
            self.y = 1
            return super().__init__() or __class__

    return A, B


def moved():
    class C:
        pass

    return C
