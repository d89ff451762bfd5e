from dataclasses import dataclass, field


@dataclass
class A:
    """Of two."""

    x: int
    y: int
    tags: list = field(default_factory=list)
    n: int = 2
    more: dict = field(default_factory=dict, repr=False)

    def f(self):
        return self.x, self.y


@dataclass
class B:
    x: int
    y: "str" = "y"

    def __repr__(self):
        return "B!"

    def __post_init__(self):
        self.z = self.x
