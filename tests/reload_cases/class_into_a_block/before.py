class A:
    x: int = 1
    y: int = 2

    def f(self):
        return 1
