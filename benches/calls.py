"""What a call costs: of a patched function, of one whose patch was undone, and with the peers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

from hotpatch import hotpatch, patches

from benches import peers
from benches.tables import Row, Table
from benches.timing import Contestant, UnavailableError, compare

# Calls per loop iteration, so that the loop itself hardly counts.
UNROLLED = 10
PEERS = [
    peers.HOTPATCH,
    peers.MOCK_FUNCTION,
    peers.ASSIGN_CODE,
    peers.DECORATOR,
    peers.TRAMPOLINE,
    peers.WRAPT,
    peers.MAGIC_MOCK,
    peers.AUTOSPEC,
]


@dataclass(frozen=True)
class Shape:
    """A kind of call.

    `source` is run twice, with 1 and with 2 for NUMBER: functions that cost the same and answer
    differently. `target` is where the function is found in it, `check` is a call with an answer
    that can be compared.
    """

    name: str
    source: str
    target: str
    call: str
    check: str = ""

    def module(self, number: int) -> ModuleType:
        """Run the source, compiled anew, so that no two modules share a code object."""
        module = ModuleType("subject")
        exec(self.source.replace("NUMBER", str(number)), vars(module))
        return module

    def find(self, module: ModuleType) -> Any:
        """Return the function to patch, or the one to patch it with."""
        return eval(self.target, vars(module))

    def expect(self, module: ModuleType, answer: object) -> None:
        """Make sure that the call which is timed does what it should."""
        found = eval(self.check or self.call, vars(module))
        if found != answer:
            raise AssertionError(f"{self.name}: {found!r}, not {answer!r}")

    def answer(self, number: int) -> Any:
        """Return what the check says of an unpatched module made with this number."""
        return eval(self.check or self.call, vars(self.module(number)))


ADD = "def f(a, b=7):\n    return a + NUMBER"
CLASS = """
class K:
    def __init__(self, value):
        self.value = value + NUMBER
    def __getitem__(self, index):
        return index + NUMBER
    def __len__(self):
        return NUMBER
    def m(self, a):
        return a + NUMBER
    @property
    def p(self):
        return NUMBER
k = K(5)
bound = k.m
"""
CLOSURE = """
def make(number):
    def f(a, b):
        return a + number
    return f
f = make(NUMBER)
"""
COROUTINE = """
async def f(a):
    return a + NUMBER
def drive(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
"""
FUNCTION = Shape("positional arguments", ADD, "f", "f(1, 2)")
METHOD = Shape("method", CLASS, "K.m", "k.m(1)")
SHAPES = [
    FUNCTION,
    Shape("a default used", ADD, "f", "f(1)"),
    Shape("keyword argument", ADD, "f", "f(1, b=2)"),
    Shape("function with a free variable", CLOSURE, "f", "f(1, 2)"),
    METHOD,
    Shape("bound method, kept before the patch", CLASS, "K.m", "bound(1)"),
    Shape("property", CLASS, "K.p.fget", "k.p"),
    Shape("`__getitem__`", CLASS, "K.__getitem__", "k[1]"),
    Shape("`__init__`", CLASS, "K.__init__", "K(1)", check="K(1).value"),
    Shape("`len()` through `__len__`", CLASS, "K.__len__", "len(k)"),
    Shape(
        "generator made",
        "def f(a):\n    yield a + NUMBER",
        "f",
        "f(1)",
        check="list(f(1))",
    ),
    Shape("coroutine made and closed", COROUTINE, "f", "f(1).close()", check="drive(f(1))"),
]

# Replacements that are no Python functions, and the arguments of their calls.
CALLABLES = {
    "a builtin, `operator.add`": ("operator.add", "(1, 2)"),
    "a `functools.partial`": ("functools.partial(add, 1)", "(2)"),
    "a bound method": ("Adder().add", "(1, 2)"),
    "an object with `__call__`": ("Adder()", "(1, 2)"),
}
CALLABLES_SOURCE = """
import functools, operator
def add(a, b):
    return a + b
class Adder:
    def __call__(self, a, b):
        return a + b
    def add(self, a, b):
        return a + b
def f(a, b=2):
    return a - b
replacement = EXPRESSION
"""


def run(rounds: int) -> list[Table]:
    """Answer the questions of this file."""
    return [*patched_and_undone(rounds), against_peers(rounds), any_callable(rounds)]


def patched_and_undone(rounds: int) -> list[Table]:
    """Compare functions in each state with a direct call of the replacement, for each shape."""
    found: dict[str, list[Row]] = {"before": [], "patched": [], "undone": []}
    for shape in SHAPES:
        rows = {row.name: row for row in compare(states(shape), rounds)}
        for state, so_far in found.items():
            goal = 1.03 if state == "patched" else None
            so_far.append(replace(rows[state], name=shape.name, goal=goal))
    ratio_to = "a direct call of the replacement"
    return [
        Table(
            "Calling a patched function",
            "The goal is at most 1.03.",
            ratio_to,
            "ratio",
            found["patched"],
        ),
        Table(
            "Calling a function whose patch was undone",
            "The target's own body costs as much as the replacement's.",
            ratio_to,
            "ratio",
            found["undone"],
        ),
        Table(
            "Calling a function that was never patched",
            "It costs as much as the replacement, so this shows how exact the measurement is.",
            ratio_to,
            "ratio",
            found["before"],
        ),
    ]


def states(shape: Shape) -> dict[str, Callable[[], Contestant]]:
    """Name the replacement, to be called directly, and a target in each of three states."""

    def apply(target: Any) -> None:
        hotpatch(shape.find(shape.module(2)), target)

    def undo(target: Any) -> None:
        patches(target)[0].undo()

    def contestant(answers_as: int, made_with: int, *changes: Callable[[Any], None]) -> Contestant:
        module = shape.module(made_with)
        target = shape.find(module)
        stages = [partial(change, target) for change in changes]
        check = partial(shape.expect, module, shape.answer(answers_as))
        return Contestant(shape.call, vars(module), [*stages, check], UNROLLED)

    return {
        "direct": partial(contestant, 2, 2),
        "before": partial(contestant, 1, 1),
        "patched": partial(contestant, 2, 1, apply),
        "undone": partial(contestant, 1, 1, apply, undo),
    }


def against_peers(rounds: int) -> Table:
    """Compare a function and a method that were replaced in each of the known ways."""
    rows: list[Row] = []
    for prefix, shape in (("function", FUNCTION), ("method", METHOD)):
        contestants = {"direct": partial(direct, shape)}
        contestants.update((peer.name, partial(replaced, shape, peer)) for peer in PEERS)
        for row in compare(contestants, rounds)[1:]:
            rows.append(replace(row, name=f"{prefix}: {row.name}"))
    return Table(
        "Calling a function that was replaced in other ways",
        "The mocks return a constant, all others call the replacement.",
        "a direct call of the replacement",
        "ratio",
        rows,
    )


def direct(shape: Shape) -> Contestant:
    """Make the replacement, to be called directly."""
    return Contestant(shape.call, vars(shape.module(2)), unrolled=UNROLLED)


def replaced(shape: Shape, peer: peers.Peer) -> Contestant:
    """Make a target that the peer replaces."""
    module = shape.module(1)
    stages = [partial(apply_peer, shape, peer, module), partial(check_peer, shape, module)]
    return Contestant(shape.call, vars(module), stages, UNROLLED)


def apply_peer(shape: Shape, peer: peers.Peer, module: ModuleType) -> None:
    """Let the peer replace the module's function."""
    *path, name = shape.target.split(".")
    scope = peer.scope(
        owner=eval(".".join(path), vars(module)) if path else module,
        name=name,
        target=shape.find(module),
        replacement=shape.find(shape.module(2)),
        answer=shape.answer(2),
    )
    peer.run(peer.apply, scope)


def check_peer(shape: Shape, module: ModuleType) -> None:
    """Make sure that the peer did its work."""
    try:
        shape.expect(module, shape.answer(2))
    except Exception as error:
        raise UnavailableError("fails: wrong answer") from error


def any_callable(rounds: int) -> Table:
    """Compare a target patched with a callable that is no Python function with that callable."""
    rows: list[Row] = []
    for name, (expression, arguments) in CALLABLES.items():
        contestants = {
            "direct": partial(called_directly, expression, arguments),
            "patched": partial(generated, expression, arguments),
        }
        _, patched = compare(contestants, rounds)
        rows.append(replace(patched, name=name))
    return Table(
        "Calling a function patched with a callable that is no function",
        "The target gets the body of a generated function that calls it.",
        "a direct call of that callable",
        "ratio",
        rows,
    )


def callable_module(expression: str) -> ModuleType:
    """Make a module with the callable, under the name of `replacement`, and a function `f`."""
    module = ModuleType("subject")
    exec(CALLABLES_SOURCE.replace("EXPRESSION", expression), vars(module))
    return module


def called_directly(expression: str, arguments: str) -> Contestant:
    """Make the callable, to be called directly."""
    module = callable_module(expression)
    return Contestant(f"replacement{arguments}", vars(module), unrolled=UNROLLED)


def generated(expression: str, arguments: str) -> Contestant:
    """Make a function that is patched with the callable."""
    module = callable_module(expression)
    apply = partial(hotpatch, module.replacement, module.f)
    return Contestant(f"f{arguments}", vars(module), [apply], UNROLLED)
