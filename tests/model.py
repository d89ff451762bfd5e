"""What functions mean that are patched again and again, in plain Python.

A `Function` is a base and a list of `Layer`s, which stand for patches. What it does is a meaning:
that of its newest layer, or its base. `model_written.py` makes real functions with their meanings.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any

Steps = Generator[object, None, object]
Rank = tuple[int, float]
ANYTHING = "*args, **kwargs"


class Builtin:
    """The meaning of a function whose replacement is a C function or a class."""

    def __init__(self, call: Callable[[Any], object]) -> None:
        self.call = call

    def steps(self, x: object) -> Steps:
        yield from ()
        return self.call(x)

    def holds(self) -> list[Function]:
        return []

    def calls(self) -> Calls:
        return []

    @property
    def parameters(self) -> str:
        return ANYTHING if self.call is type else f"the one of {self.call.__name__}"


@dataclasses.dataclass
class Written:
    """The meaning of a function that `write` wrote. Snapshots of the function share it."""

    label: str
    does: str = "says"
    cells: tuple[types.CellType, ...] = ()
    defaults: tuple[int, ...] = ()
    layer: Layer | None = None
    kept: Function | None = None  # alive for as long as the closure

    def steps(self, x: object) -> Steps:
        """Yields what a generator yields or a coroutine passes up, and returns the result."""
        original = self.kept if self.does == "keeps the original" else None
        if self.does == "undoes itself" and self.layer is not None:
            self.layer.undo()
        if self.does == "calls the original" and self.layer is not None:
            original = self.layer.original()
            if original is None:
                return self.label, "gone"
        yield self.label, "begun"
        inner = () if original is None else ((yield from original.steps(x)),)
        cells = (cell.cell_contents for cell in self.cells)
        return self.label, *inner, *cells, x, *self.defaults

    def holds(self) -> list[Function]:
        return [self.kept] if self.kept else []

    def calls(self) -> Calls:
        if self.does == "calls the original" and self.layer is not None:
            return [(self.layer.owner, self.layer.rank)]
        return [(function, None) for function in self.holds()]

    @property
    def parameters(self) -> str:
        """Without defaults: there are none where it matters."""
        return "x"


@dataclasses.dataclass
class Hooked:
    """The meaning of a function with a hook around what lies below it."""

    label: str
    below: Function
    kept_parameters: str | None = None

    def steps(self, x: object) -> Steps:
        yield self.label, "begun"
        result = yield from self.below.steps(x)
        return self.label, result

    def holds(self) -> list[Function]:
        return [self.below]

    def calls(self) -> Calls:
        return [(self.below, None)]

    def frozen(self) -> Hooked:
        """The same, with what lies below as it is now."""
        return dataclasses.replace(self, below=Snapshot(self.below))

    def kept(self) -> Hooked:
        """The same, in an original whose patch goes. It still calls the original below it."""
        return dataclasses.replace(self, kept_parameters=self.parameters)

    @property
    def parameters(self) -> str:
        """Whatever patches of the original have."""
        return self.kept_parameters or self.below.base.parameters


@dataclasses.dataclass
class Observed(Hooked):
    """The meaning of a function with a hook that is only told of calls, and takes one argument."""

    former: str = ANYTHING

    def steps(self, x: object) -> Steps:
        return (yield from self.below.steps(x))

    @property
    def parameters(self) -> str:
        """To be asked for after each change: where it finds no parameter, it keeps those it has."""
        known = super().parameters
        if known == ANYTHING and isinstance(self.below, Twin):
            known = self.below.layer.owner.base.parameters
        self.former = self.former if known == ANYTHING else known
        return self.former

    def frozen(self) -> Observed:
        return Observed(self.label, Snapshot(self.below), former=self.parameters)


Meaning = Builtin | Written | Hooked
Calls = list[tuple["Function", Rank | None]]  # with the rank below which they are, if not all of it


def could_call_itself(layer: Layer) -> bool:
    """Whether what a new layer does could come to run the layer again, now or after some undo.

    So does a copy of a function that calls an original, put below that original.
    """
    rank = layer.order, math.inf  # above all that are there
    seen: Calls = []
    todo = layer.meaning.calls()
    while todo:
        function, limit = call = todo.pop()
        if function is layer.owner and (limit is None or rank < limit):
            return True
        if call not in seen:
            seen.append(call)
            todo += function.calls(limit)
    return False


def frozen(meaning: Meaning) -> Meaning:
    return meaning.frozen() if isinstance(meaning, Hooked) and is_live(meaning) else meaning


def is_live(meaning: Meaning) -> bool:
    """Whether it follows what lies below it."""
    return isinstance(meaning, Hooked) and isinstance(meaning.below, Twin)


class Function:
    """What one function object does: the highest layer, or the base if there is none."""

    def __init__(self, kind: str, base: Meaning) -> None:
        self.kind = kind
        self.own_base = base
        self.layers: list[Layer] = []
        self.past_layers: list[Layer] = []
        self.copy_of: Function | None = None
        self.foreign: Meaning | None = None
        self.is_gone = False
        self.reference: Callable[[], types.FunctionType | None] | None = None

    @property
    def base(self) -> Meaning:
        return self.own_base

    def below(self, layer: Layer) -> Meaning:
        index = self.layers.index(layer)
        return self.layers[index - 1].meaning if index else self.base

    def meaning(self) -> Meaning:
        return self.foreign or (self.layers[-1].meaning if self.layers else self.base)

    def steps(self, x: object) -> Steps:
        return self.meaning().steps(x)

    def calls(self, limit: Rank | None = None) -> Calls:
        """What it could call, now or after some undo, with its patches below a rank."""
        layers = [layer for layer in self.layers if limit is None or layer.rank < limit]
        meanings = [self.own_base, *(layer.meaning for layer in layers)]
        return [call for meaning in meanings for call in meaning.calls()]

    def holds(self) -> Iterator[Function]:
        """The functions that this one keeps alive."""
        for meaning in [self.base, self.meaning(), *(layer.meaning for layer in self.layers)]:
            yield from meaning.holds()
        for layer in self.layers:
            yield from (held for held in [layer.replacement, layer.twin] if held)

    def former_layers(self) -> list[Layer]:
        """The patches whose bodies it has or had."""
        return self.past_layers

    def may_hold(self) -> list[Function]:
        """What it can keep alive besides: a copy shares a closure, and what hangs on that."""
        if self.copy_of is None:
            return []
        held = [(layer.replacement, layer.twin) for layer in self.copy_of.former_layers()]
        return [self.copy_of, *(function for pair in held for function in pair if function)]

    def copy(self) -> Function:
        copy = Function(self.kind, self.meaning())
        copy.copy_of = self
        return copy

    def bury(self) -> None:
        self.is_gone = True
        for layer in reversed(self.layers[:]):
            layer.remove()


class Twin(Function):
    """The `original` of a patch: its base is what lies below the patch, for as long as it is there.

    Once the patch is undone, a function that somebody has kept stays as it is.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer.owner.kind, layer.owner.below(layer))
        self.layer = layer

    @property
    def base(self) -> Meaning:
        if self.layer.is_active():
            return self.layer.owner.below(self.layer)
        return self.own_base

    def former_layers(self) -> list[Layer]:
        below = self.layer.owner.former_layers()
        return [*self.past_layers, *(layer for layer in below if layer.rank < self.layer.rank)]

    def calls(self, limit: Rank | None = None) -> Calls:
        below = [(self.layer.owner, self.layer.rank)] if self.layer.is_active() else []
        return [*super().calls(limit), *below]


class Snapshot(Function):
    """What a function did at one time, also below its patches."""

    def __init__(self, function: Function) -> None:
        super().__init__(function.kind, frozen(function.base))
        is_patched = function.meaning() is not function.base
        self.at_that_time = frozen(function.meaning()) if is_patched else self.own_base

    def meaning(self) -> Meaning:
        return self.at_that_time

    def calls(self, limit: Rank | None = None) -> Calls:
        return [*super().calls(limit), *self.at_that_time.calls()]


@dataclasses.dataclass(eq=False)
class Layer:
    """A patch."""

    by: str
    number: float  # in the order in which patches are made
    order: int
    owner: Function
    meaning: Meaning
    replacement: Function | None = None
    twin: Twin | None = None
    hook: Callable[[Function], Meaning] | None = None  # its meaning above what lies below it

    @property
    def rank(self) -> Rank:
        return self.order, self.number

    def is_active(self) -> bool:
        return self in self.owner.layers

    def insert(self) -> None:
        self.owner.layers.append(self)
        self.owner.layers.sort(key=lambda layer: layer.rank)
        self.owner.past_layers.append(self)
        if self.hook:
            self.twin = Twin(self)
            self.meaning = self.hook(self.twin)

    def undo(self) -> bool:
        """Returns whether that is no error: a write by somebody else is one."""
        if self.is_active() and not self.owner.foreign:
            self.remove()
        return not self.is_active()

    def remove(self) -> None:
        self.keep_original()
        self.owner.layers.remove(self)

    def keep_original(self) -> None:
        """The patch goes: whoever has its original keeps what lies below it now."""
        if self.twin:
            below = self.owner.below(self)
            self.twin.own_base = below.kept() if isinstance(below, Hooked) else below

    def original(self) -> Function | None:
        if self.owner.is_gone:
            return None
        for layer in self.owner.layers:
            if layer.rank >= self.rank:
                layer.twin = layer.twin or Twin(layer)
                return layer.twin
        return self.owner


Outcomes = list[tuple[str, object]]


def advance(iterator: Any) -> tuple[str, object]:
    """Runs a generator or a coroutine, real or of the model, to where it stops next."""
    try:
        return "yields", iterator.send(None)
    except StopIteration as stop:
        return "returns", stop.value


def drain(iterator: Any) -> Outcomes:
    outcomes = [advance(iterator)]
    while outcomes[-1][0] == "yields":
        outcomes.append(advance(iterator))
    return outcomes


def as_method(function: types.FunctionType) -> types.FunctionType:
    return function


@dataclasses.dataclass
class Place:
    """A function that the test can reach, all ways to name it, and all ways to call it with `x`."""

    model: Function
    function: types.FunctionType
    x: Any
    names: list[Any]
    calls: list[Callable[[], Any]]
    overwritten: tuple[str, Any] | None = None

    @classmethod
    def of_function(cls, model: Function, function: types.FunctionType) -> Place:
        model.reference = weakref.ref(function)
        return cls(model, function, 7, [function], [functools.partial(function, 7)])

    @classmethod
    def of_member(
        cls, model: Function, function: types.FunctionType, wrap: Callable[[Any], Any]
    ) -> Place:
        model.reference = weakref.ref(function)
        owner: Any = type("Owner", (), {"member": wrap(function)})
        instance, raw = owner(), owner.__dict__["member"]
        if wrap is property:
            return cls(model, function, instance, [raw], [lambda: instance.member])
        names = [raw, owner.member, instance.member]
        calls = [lambda: instance.member(), instance.member]
        if wrap is classmethod:
            return cls(model, function, owner, names, [lambda: owner.member(), *calls])
        if wrap is staticmethod:
            calls = [lambda: instance.member(instance)]
        return cls(model, function, instance, names, [lambda: owner.member(instance), *calls])

    def expected(self) -> Outcomes:
        outcomes = drain(self.model.steps(self.x))
        return outcomes[-1:] if self.model.kind == "plain" else outcomes

    def outcomes(self, call: Callable[[], Any]) -> Outcomes:
        result = call()
        return [("returns", result)] if self.model.kind == "plain" else drain(result)
