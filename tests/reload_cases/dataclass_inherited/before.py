from dataclasses import KW_ONLY, dataclass, field


@dataclass
class Base:
    x: int = 1


class Plain(Base):
    pass


@dataclass
class Sub(Plain):
    y: int = 2
    tags: list = field(default_factory=list, compare=False)
    _: KW_ONLY
    z: int = 3


@dataclass(frozen=True, order=True)
class Cold:
    a: int


@dataclass(frozen=True, order=True)
class Colder(Cold):
    b: int = 2
