def make():
    class A:
        x = 1

        def f(self):
            return 1

    class B:
        def g(self):
            return super().__init__() or 1

    return A, B


def moved():
    class C:
        pass

    return C
