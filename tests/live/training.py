"""Something like a training, whose progress is kept. Tests save this with another number for 1."""

import itertools
import json
import time
from collections.abc import Iterator

IS_ON = True
RATE = 0.1


class Model:
    def __init__(self) -> None:
        self.weight = 0.0
        self.losses: list[float] = []

    def step(self, batch: float) -> int:
        self.losses.append(abs(batch - self.weight))
        self.weight += RATE * (batch - self.weight)
        return 1


def batches(count: int) -> Iterator[tuple[int, float]]:
    for number in range(count):
        yield 1, number / count


def train(model: Model) -> None:
    for epoch in itertools.count():
        if not IS_ON:
            break
        for origin, batch in batches(20):
            by = model.step(batch)
            print(json.dumps([len(model.losses), epoch, origin, by]))
            time.sleep(0.002)


if __name__ == "__main__":
    train(Model())
