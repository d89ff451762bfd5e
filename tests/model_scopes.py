"""What patches mean that are for one thread or context, and what blocks mean, in plain Python."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import itertools
import math
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from model import ANYTHING, Calls, Function, Hooked, Layer, Meaning, Steps, frozen

Scope = Literal["process", "context", "thread"]


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """A thread and a context, in which calls are made. A copy sees what it is a copy of."""

    thread: str
    context: str
    is_copy: bool = False

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        here.append(self)
        try:
            yield
        finally:
            here.pop()

    def run(self, action: Callable[[], Any]) -> Any:
        """What `action` returns here."""
        with self.entered():
            if self is ELSEWHERE:
                return OTHER_CONTEXT.run(action)
            if self is IN_THREAD:
                return WORKER.submit(contextvars.copy_context().run, action).result()
            return action()


OTHER_CONTEXT = contextvars.Context()
WORKER = ThreadPoolExecutor(1)
HERE = Surroundings("main", "own")
ELSEWHERE = Surroundings("main", "other")
IN_THREAD = Surroundings("worker", "own", is_copy=True)
EVERYWHERE = [HERE, ELSEWHERE, IN_THREAD]
here = [HERE]


class Reach:
    """Where a patch is in force."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.made_in = here[-1]
        self.is_over = False

    def is_here(self) -> bool:
        if self.scope == "process":
            return True
        if self.scope == "thread":
            return here[-1].thread == self.made_in.thread
        is_seen = here[-1].context == self.made_in.context and not self.made_in.is_copy
        return is_seen and not self.is_over

    def leave(self) -> None:
        """The patch is undone. Elsewhere than in its context that leaves the context as it is."""
        if here[-1] == self.made_in:
            self.is_over = True


@dataclasses.dataclass
class Scoped(Hooked):
    """The meaning of a function with a patch that is not for all calls."""

    _: dataclasses.KW_ONLY
    within: Meaning
    reach: Reach
    otherwise: Meaning | None = None  # what it does in place, once it is kept

    def steps(self, x: object) -> Steps:
        if self.reach.is_here():
            return (yield from self.within.steps(x))
        meaning = self.in_place() if self.is_in_place() else self.below
        return (yield from meaning.steps(x))

    def is_in_place(self) -> bool:
        """Whether it is a test in front of what lies below: other calls miss the original."""
        is_kind_in_place = self.below.kind == "plain" or sys.version_info >= (3, 11)
        return is_kind_in_place and self.fits(super().parameters)

    def in_place(self) -> Meaning:
        return self.otherwise or self.below.base

    def fits(self, below: str) -> bool:
        return isinstance(self.within, Hooked) or self.within.parameters == below

    @property
    def parameters(self) -> str:
        below = super().parameters  # found once: this can go far down
        return below if self.fits(below) else ANYTHING

    def holds(self) -> list[Function]:
        below = self.in_place().holds() if self.is_in_place() else [self.below]
        return [*below, *self.within.holds()]

    def calls(self) -> Calls:
        kept = self.otherwise.calls() if self.otherwise else []
        return [*super().calls(), *self.within.calls(), *kept]

    def kept(self) -> Hooked:
        below = self.in_place()
        below = below.kept() if isinstance(below, Hooked) else below
        kept = dataclasses.replace(self, kept_parameters=self.parameters)
        return dataclasses.replace(kept, otherwise=below) if self.is_in_place() else kept

    def frozen(self) -> Hooked:
        made = super().frozen()
        if isinstance(made, Scoped) and isinstance(made.within, Hooked):
            made.within = dataclasses.replace(made.within, below=made.below)
        if isinstance(made, Scoped) and made.otherwise:
            made.otherwise = frozen(made.otherwise)
        return made


@dataclasses.dataclass(eq=False)
class ScopedLayer(Layer):
    """A patch that can be for one thread or context, and can be made and undone in a block."""

    reach: Reach = dataclasses.field(default_factory=lambda: Reach("process"))

    def insert(self) -> None:
        if not blocks_here():
            self.number = next(numbers)
            super().insert()
            return
        self.number = math.inf
        blocks[-1].asked.append(self)

    def is_pending(self) -> bool:
        is_asked = any(self in block.asked for block in blocks)
        return is_asked and not any(self in block.withdrawn for block in blocks)

    def undo(self) -> bool:
        if self.is_pending():
            # Outside of the block, that is not taken back when an inner one fails.
            (blocks_here() or blocks[:1])[-1].withdrawn.append(self)
            return True
        if not self.is_active() or any(self in block.undone for block in blocks_here()):
            return True
        if self.owner.foreign:
            return False
        if blocks_here():
            blocks[-1].undone.append(self)
            return True
        self.remove()
        self.reach.leave()
        return True


@dataclasses.dataclass
class Block:
    """What is asked for in a block."""

    asked: list[ScopedLayer] = dataclasses.field(default_factory=list)
    withdrawn: list[ScopedLayer] = dataclasses.field(default_factory=list)
    undone: list[ScopedLayer] = dataclasses.field(default_factory=list)

    def join(self, inner: Block) -> None:
        self.asked += inner.asked
        self.withdrawn += inner.withdrawn
        self.undone += inner.undone

    def carry_out(self) -> None:
        undone = [layer for layer in self.undone if layer.is_active()]
        for layer in undone:
            layer.keep_original()
        for layer in undone:
            layer.owner.layers.remove(layer)
            layer.reach.leave()
        for layer in self.asked:
            if layer not in self.withdrawn:
                layer.insert()

    def touches_both(self) -> bool:
        """Whether a function is to be changed with the original of one of its patches."""
        coming = [layer for layer in self.asked if layer not in self.withdrawn]
        going = [layer for layer in self.undone if layer.is_active()]
        owners = {id(layer.owner): layer.owner for layer in [*coming, *going]}
        for owner in list(owners.values()):
            while layer := getattr(owner, "layer", None):
                owner = layer.owner
                if id(owner) in owners:
                    return True
        return False


blocks: list[Block] = []
numbers = itertools.count(1)


def blocks_here() -> list[Block]:
    """Those that run in this context, the innermost last."""
    return blocks if here[-1].context == "own" else []
