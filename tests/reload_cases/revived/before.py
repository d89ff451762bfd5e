def f():
    return 1


def g():
    return 10


class A:
    def method(self):
        return 100
