import dataclasses
import enum

REGISTRY = []


class Base:
    def __init_subclass__(cls):
        REGISTRY.append(cls)


class A(Base):
    z = 2

    def f(self):
        return super().__init__() or 2

    class Inner:
        y = 2


@dataclasses.dataclass
class D:
    a: int = 1
    b: int = 2


class E(enum.Enum):
    P = 1
    Q = 2


class S:
    __slots__ = ("a", "b")
