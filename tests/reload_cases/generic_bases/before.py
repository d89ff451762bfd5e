from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class P:
    pass


class A(P):
    pass


class B(P, Generic[T]):
    pass
