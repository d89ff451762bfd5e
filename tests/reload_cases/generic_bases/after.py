from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class P:
    pass


class A(P, Generic[T]):
    pass


class B(P, Generic[T, U]):
    pass
