def deco(cls):
    return cls


class A:
    def f(self):
        self.x = 1


class B:
    def g(self):
        self.y = 1


@deco
class C:
    z = 1
