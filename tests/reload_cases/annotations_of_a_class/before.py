import dataclasses

LIMIT: int = 1


class A:
    x: int = 1
    y: str

    def f(self):
        return 1


@dataclasses.dataclass
class D:
    x: int = 1
