from abc import ABC, abstractmethod


class A(ABC):
    def f(self):
        return 1

    @abstractmethod
    def g(self):
        return 1


class B(A):
    def h(self):
        return super().h() + 1

    g = None


class C(A):
    def f(self):
        return 2


1 / 0
