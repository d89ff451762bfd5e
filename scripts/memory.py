"""Patch and undo many times, and see that the process does not grow.

python scripts/memory.py [TIMES]        # 10,000,000 by default
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path

from hotpatch import hotpatch, patches

# The smallest object leaked by each of 10 million would be 160 MB, and 10 million blocks. What is
# made once, such as the caches of inspect, is some hundreds.
ALLOWED_GROWTH = 2 * 1024 * 1024
ALLOWED_BLOCKS = 5000


def resident() -> int:
    """Return the resident memory of this process, in bytes (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def elsewhere() -> Callable[..., int]:
    """Make a replacement with globals of its own, free variables and keyword defaults."""
    namespace: dict[str, Callable[..., int]] = {}
    source = """
def make(shift, scale):
    def replacement(value, *, offset=1):
        return value * scale + shift + offset
    return replacement
replacement = make(1, 2)
"""
    exec(source, namespace)
    return namespace["replacement"]


def target(value: int) -> int:
    return value


def rounds(times: int) -> None:
    simple: Callable[..., int] = lambda value: -value  # noqa: E731
    # A builtin is called through a generated function, whose making takes 50 times as long.
    replacements: list[tuple[Callable[..., int], float]]
    replacements = [(simple, 0.6), (elsewhere(), 0.39), (abs, 0.01)]
    for replacement, share in replacements:
        for _ in range(int(times * share / 2)):
            hotpatch(replacement, target).undo()
        for _ in range(int(times * share / 4)):
            below = hotpatch(replacement, target)
            above = hotpatch(simple, target)
            if below.original(3) != 3 or above.original(3) != replacement(3):
                raise SystemExit("the original of a patch is wrong")
            below.undo()
            above.undo()


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    rounds(times // 10)
    gc.collect()
    before, blocks_before = resident(), sys.getallocatedblocks()
    rounds(times)
    gc.collect()
    growth, blocks = resident() - before, sys.getallocatedblocks() - blocks_before
    print(f"{times:,} patches and undos: {growth:,} more bytes than {before:,}, {blocks:,} blocks")
    if target(3) != 3 or patches() or growth > ALLOWED_GROWTH or blocks > ALLOWED_BLOCKS:
        raise SystemExit("that is not what it should be")


if __name__ == "__main__":
    main()
