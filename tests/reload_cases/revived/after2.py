def f():
    return 2


class A:
    def method(self):
        return 200
