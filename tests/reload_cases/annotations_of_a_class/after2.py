import dataclasses

LIMIT: int = 2


class A:
    x: int = 2
    z: "A" = None
    w: float
    1 / 0

    def f(self):
        return self.z


@dataclasses.dataclass
class D:
    x: int = 1
    y: int = 2
