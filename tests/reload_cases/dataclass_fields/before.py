from dataclasses import dataclass, field


@dataclass
class A:
    """Of two."""

    x: int
    tags: list = field(default_factory=list)
    n: int = 1

    def f(self):
        return self.x


@dataclass
class B:
    x: int
