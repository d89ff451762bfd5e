def f():
    return new()


def new():
    return 2


class A:
    def f(self):
        return self.new()

    def new(self):
        return super().__init__

    x = 1
