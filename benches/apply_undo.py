"""What it costs to apply a patch and to undo it, with hotpatch and with its peers."""

from dataclasses import replace
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from benches import peers
from benches.tables import Table
from benches.timing import Contestant, compare

GOAL_NS = 500

# What a patch may be made of: a name for it, and a source of `target` and `replacement`.
KINDS = {
    "function": "def target(a, b): return a + b\ndef replacement(a, b): return b + a",
    "method": """
class K:
    def m(self, a): return a
class R:
    def m(self, a): return -a
target, replacement = K.m, R.m
""",
    "generator function": "def target(a): yield a\ndef replacement(a): yield -a",
    "coroutine function": "async def target(a): return a\nasync def replacement(a): return -a",
    "function, by one with defaults and annotations": """
def target(a, b): return a + b
def replacement(a: int, b: int = 2, *, c: int = 3) -> int: return b + a + c
""",
    "function, by one with a free variable": """
def target(a, b): return a + b
def make(number):
    def replacement(a, b): return a + b + number
    return replacement
replacement = make(3)
""",
    "function, by a builtin": """
from operator import add as replacement
def target(a, b): return a - b
""",
    "function, by a `functools.partial`": """
from functools import partial
def target(a, b): return a - b
def add(a, b, c): return a + b + c
replacement = partial(add, 1)
""",
    "method, by a `MagicMock`": """
from unittest.mock import MagicMock
class K:
    def m(self, a): return a
target, replacement = K.m, MagicMock()
""",
}


PEERS = [
    peers.HOTPATCH,
    peers.HOTPATCH_WITH,
    peers.MOCK_FUNCTION,
    peers.MONKEYPATCH,
    peers.WRAPT,
    peers.PATCHY,
    peers.HOTPATCH_DIFF,
    peers.HOTPATCH_TEXT,
    peers.TRAMPOLINE,
    peers.ASSIGN_CODE,
    peers.ASSIGN_NAME,
]


def run(rounds: int) -> list[Table]:
    """Answer the questions of this file."""
    return [against_peers(rounds), kinds(rounds)]


def against_peers(rounds: int) -> Table:
    """Compare the ways of replacing a function of a module and putting it back."""
    rows = compare({peer.name: partial(apply_and_undo, peer) for peer in PEERS}, rounds)
    return Table(
        "Applying a patch and undoing it",
        f"Both together, on a function of a module. The goal is at most {GOAL_NS} ns, and less "
        "than any other tool takes.",
        "`hotpatch`",
        "time",
        [replace(row, goal=GOAL_NS) if "hotpatch" in row.name else row for row in rows],
    )


def apply_and_undo(peer: peers.Peer) -> Contestant:
    """Make a module, and let the peer patch its function over and over."""
    trial = fresh_scope(peer)
    peer.run(peer.apply, trial)
    peer.run(peer.undo, trial)
    return Contestant(peer.together or f"{peer.apply}\n{peer.undo}", fresh_scope(peer))


def fresh_scope(peer: peers.Peer) -> dict[str, Any]:
    """Return what the peer's statements need to patch a module that was never patched."""
    subject = fresh_subject()
    return peer.scope(owner=subject, name="add", target=subject.add, replacement=subject.plus)


def fresh_subject() -> ModuleType:
    """Load subject.py anew, so that no peer sees what another one left behind."""
    spec = spec_from_file_location("subject", Path(__file__).with_name("subject.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kinds(rounds: int) -> Table:
    """Compare what patches may be made of."""
    contestants = {name: partial(of_kind, source) for name, source in KINDS.items()}
    return Table(
        "Applying and undoing by what is patched",
        "Both together. Where no replacement is named, it is of the target's kind.",
        "the first row",
        "time",
        compare(contestants, rounds),
    )


def of_kind(source: str) -> Contestant:
    """Make the target and the replacement that the source describes."""
    scope = peers.HOTPATCH.scope()
    exec(source, scope)
    return Contestant(peers.HOTPATCH.together, scope)
