from abc import ABC, abstractmethod


class A(ABC):
    @abstractmethod
    def f(self):
        return 1

    def g(self):
        return 1


class B(A):
    pass


class C(A):
    def f(self):
        return 2
