"""How the cost of a patch grows with aliases, with patches in the process and on one target."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

from hotpatch import hotpatch, patches

from benches import peers
from benches.tables import Row, Table
from benches.timing import Contestant, compare

ALIASES = (1, 10, 100, 1_000)
ACTIVE = (1, 10, 100, 1_000, 10_000, 100_000)
DEPTHS = (1, 10, 100, 1_000)

# Its cost depends on none of these numbers, so the ratio to it shows growth on a busy machine too.
YARDSTICK = peers.MOCK_FUNCTION


def run(rounds: int) -> list[Table]:
    """Answer the questions of this file."""
    return [aliases(rounds), active(rounds), depth(rounds)]


def make_function() -> Callable[[int, int], int]:
    """Return a function of its own."""

    def add(a: int, b: int) -> int:
        return a + b

    return add


def aliases(rounds: int) -> Table:
    """Patch a function that many modules have imported by name, seen by all of them."""
    rows: list[Row] = []
    for number in ALIASES:
        contestants = {
            f"{name}, {number:,}": partial(every_alias, peer, number)
            for name, peer in (
                ("`hotpatch`", peers.HOTPATCH),
                ("`mock.patch.object` in an `ExitStack`", peers.MOCK_FUNCTION),
                ("`monkeypatch.setattr`", peers.MONKEYPATCH),
            )
        }
        rows += compare(contestants, max(rounds // 2, 1))
    return Table(
        "By the number of modules that imported the function",
        "Apply and undo together, so that all the modules see it: hotpatch changes the function, "
        "the others each module's name.",
        "`hotpatch` with as many modules",
        "time",
        rows,
    )


def every_alias(peer: peers.Peer, number: int) -> Contestant:
    """Make modules that share a function, and let the peer patch all of them."""
    target = make_function()
    owners = [ModuleType(f"module_{index}") for index in range(number)]
    for owner in owners:
        vars(owner)["add"] = target
    scope = peer.scope(owners=owners, name="add", target=target, replacement=make_function())
    if peer is peers.HOTPATCH:
        statement = peer.together
    elif peer is peers.MONKEYPATCH:
        statement = f"for owner in owners: {peer.apply}\n{peer.undo}"
    else:
        scope["ExitStack"] = ExitStack
        statement = (
            "with ExitStack() as stack:\n    for owner in owners:\n"
            "        stack.enter_context(mock.patch.object(owner, name, replacement))"
        )
    return Contestant(statement, scope)


def active(rounds: int) -> Table:
    """Patch one more function while others are patched."""
    found: list[list[Row]] = []
    for number in ACTIVE:
        targets = [make_function() for _ in range(number)]
        for target in targets:
            hotpatch(make_function(), target)
        scope = peers.HOTPATCH.scope(
            patches=patches,
            patched=targets[0],
            target=make_function(),
            replacement=make_function(),
        )
        contestants: dict[str, Callable[[], Contestant]] = {
            "yardstick": yardstick,
            "apply and undo one more": partial(Contestant, peers.HOTPATCH.together, {**scope}),
            "`patches(target)`": partial(Contestant, "patches(patched)", {**scope}),
            "`patches()`": partial(Contestant, "patches()", {**scope}),
        }
        rows = compare(contestants, max(rounds // 2, 1), builds=1)[1:]
        found.append([replace(row, name=f"{row.name}, {number:,} active") for row in rows])
    return Table(
        "By the number of functions patched in the process",
        "`patches()` lists all of them.",
        "`mock.patch.object` on one function",
        "time",
        [row for question in zip(*found, strict=True) for row in question],
    )


def yardstick() -> Contestant:
    """Make what the others are compared with."""
    owner = ModuleType("module")
    vars(owner)["add"] = make_function()
    scope = YARDSTICK.scope(owner=owner, name="add", replacement=make_function())
    return Contestant(YARDSTICK.together, scope)


def depth(rounds: int) -> Table:
    """Patch one function again and again, and take patches out of the pile."""
    found: list[list[Row]] = []
    for number in DEPTHS:
        contestants: dict[str, Callable[[], Contestant]] = {
            "yardstick": yardstick,
            "apply and undo on top": partial(pile, number, peers.HOTPATCH.together),
            "undo the middle one, apply on top": partial(
                pile, number, "pile.pop(middle).undo(); pile.append(hotpatch(replacement, target))"
            ),
        }
        rows = compare(contestants, max(rounds // 2, 1))[1:]
        found.append([replace(row, name=f"{row.name}, {number:,} on it") for row in rows])
    return Table(
        "By the number of patches on one function",
        "Applying and undoing on top of others, and undoing below others.",
        "`mock.patch.object` on one function",
        "time",
        [row for question in zip(*found, strict=True) for row in question],
    )


def pile(number: int, statement: str) -> Contestant:
    """Make a target with that many patches."""
    scope: dict[str, Any] = peers.HOTPATCH.scope(
        target=make_function(), replacement=make_function(), middle=number // 2
    )
    scope["pile"] = [hotpatch(make_function(), scope["target"]) for _ in range(number)]
    return Contestant(statement, scope)
