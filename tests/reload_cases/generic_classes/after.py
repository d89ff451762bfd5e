from dataclasses import dataclass


class A[T, U: int]:
    def f(self, x: T) -> U:
        return -x


@dataclass
class B[T]:
    x: T

    def f(self, x: T = 2) -> T:
        return x

    def g(self, x: T) -> T:
        return super().__repr__()

    y: T = 3
