def deco(cls):
    return cls


class A:
    def f(self):
        self.x = self.w = 1
        self.n += 1

    class In:
        pass


class B:
    def g(self):
        self.y = 1


@deco
class C:
    z = 1


class Fixed(type):
    def __setattr__(cls, name, value):
        raise TypeError(name)


class D(metaclass=Fixed):
    def f(self):
        return 2


1 / 0
