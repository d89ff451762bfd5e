from dataclasses import dataclass


class A[T]:
    def f(self, x: T) -> T:
        return x


@dataclass
class B[T]:
    x: T

    def f(self, x: T = 1) -> T:
        return x
