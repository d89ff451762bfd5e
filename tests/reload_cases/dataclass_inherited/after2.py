from dataclasses import KW_ONLY, dataclass, field


@dataclass
class Base:
    x: int


class Plain(Base):
    pass


@dataclass
class Sub(Plain):
    tags: list = field(default_factory=list, compare=False)
    _: KW_ONLY
    z: int = 3


@dataclass(frozen=True, order=True)
class Cold:
    c: int = 1


@dataclass(frozen=True, order=True)
class Colder(Cold):
    b: int = 2
