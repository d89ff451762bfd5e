from dataclasses import dataclass, field


@dataclass
class A:
    """Of two."""

    y: int
    tags: list = field(default_factory=list)


@dataclass
class B:
    y: "str" = "y"
    x: int = 0
