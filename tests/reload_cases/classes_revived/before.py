import dataclasses
import enum

REGISTRY = []


class Base:
    def __init_subclass__(cls):
        REGISTRY.append(cls)


class A(Base):
    x = 1

    def f(self):
        return 1

    class Inner:
        y = 1


@dataclasses.dataclass
class D:
    a: int = 1


class E(enum.Enum):
    P = 1


class S:
    __slots__ = ("a",)
