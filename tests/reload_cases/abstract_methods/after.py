from abc import ABC, abstractmethod


class A(ABC):
    def f(self):
        return 1

    def g(self):
        return 1

    @abstractmethod
    def h(self):
        return 1


class B(A):
    def h(self):
        return super().h() + 1


class C(A):
    def f(self):
        return 2
