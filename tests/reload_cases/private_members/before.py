class A:
    __gone = 1
    __size = 2

    def __one(self, a=1):
        return a

    def __two(self):
        return 2

    def call(self):
        return self.__one(), self.__two(), self.__size

    class __Inner:
        __x = 1


class _:
    __y = 1
