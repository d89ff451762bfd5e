"""Says what it does, and how much memory it has. Tests save this with another number for 1."""

import dataclasses
import enum
import functools
import json
import re
import time
from collections.abc import Callable

IS_ON = True
LIMITS = dict.fromkeys("abc", 1)


class Kind(enum.Enum):
    GOOD = 1


@dataclasses.dataclass
class Result:
    value: int = 1

    def kind(self) -> int:
        return Kind.GOOD.value * 1


@functools.lru_cache
def work(number: int, more: int = 1) -> int:
    add: list[Callable[[int], int]] = [lambda it: it + number for _ in range(2)]
    return sum(it(1) for it in add) + more


def memory() -> int:
    """Return how many KiB there are in memory."""
    with open("/proc/self/status", encoding="utf-8") as status:
        found = re.search(r"VmRSS:\s+(?P<size>\d+)", status.read())
    assert found is not None
    return int(found["size"])


def main() -> None:
    result = Result()
    while IS_ON:
        print(json.dumps([work(0), LIMITS["a"], result.kind(), memory()]))
        time.sleep(0.002)


if __name__ == "__main__":
    main()
