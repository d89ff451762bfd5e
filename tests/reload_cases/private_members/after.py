def marked(function):
    return lambda self: ("marked", function(self))


class A:
    __size = 20

    def __one(self, a=10):
        return a

    @marked
    def __two(self):
        return 2

    def call(self):
        return self.__one(), self.__two(), self.__size

    class __Inner:
        __z = 2


class _:
    __z = 1
