"""Values that follow from others: constants computed of constants, and names taken from modules."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
from types import CodeType, ModuleType

from hotpatch._native import Outline
from hotpatch._scope import MISSING, Scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_IMMUTABLE = frozenset({int, float, complex, bool, str, bytes, type(None), type(...)})
_FUNCTIONS = ("tuple", "frozenset", "str", "int", "float", "len")


class Value:
    """What an expression computes of other names, and what that was before anything changed."""

    __slots__ = ("_code", "_is_name", "_names", "_reads", "before")

    def __init__(self, text: str, reads: list[str], scope: Scope, module: ModuleType) -> None:
        # On several lines it stands in brackets.
        self._code: CodeType = compile(f"({text})", scope.place.file, "eval", dont_inherit=True)
        self._reads = reads
        # One name may be another of anything.
        self._is_name = text.isidentifier()
        self._names = scope.names(module)
        self.before = self.now()

    def now(self) -> Any:
        """Return what it is now, or `MISSING` if that is not for us to say."""
        space, inner = self._names
        if any(name in it for name in _FUNCTIONS for it in (space, inner)):
            return MISSING
        known = (
            *(
                inner.get(name, space.get(name, getattr(builtins, name, MISSING)))
                for name in self._reads
            ),
        )
        if self._is_name:
            return known[0]
        if not is_immutable(known):
            return MISSING
        try:
            value = eval(self._code, *self._names)
        except Exception:
            return MISSING
        return value if is_immutable(value) else MISSING

    def is_held(self, value: object) -> bool:
        """Return whether a value is the one that it was before."""
        return self.before is not MISSING and is_same(value, self.before)


def is_same(one: object, other: object) -> bool:
    """Return whether two values are one object, or cannot be told apart."""
    return one is other or (is_immutable(one) and is_equal(one, other))


def is_immutable(value: object) -> bool:
    """Return whether a value, and all in it, can never change."""
    if type(value) in (tuple, frozenset):
        return all(map(is_immutable, value))  # type: ignore[call-overload]
    return type(value) in _IMMUTABLE


def is_equal(one: object, other: object) -> bool:
    """Return whether two values are of one type and equal, and so are those in them."""
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(is_equal, one, other))
    return one is other or bool(one == other)


def taken(
    outline: Outline, module: ModuleType, source: ModuleType, names: set[str]
) -> Iterator[tuple[str, str]]:
    """Iterate over the names that a module has imported from another, as there and as here.

    Only `names` count, and only those that are still what was imported. Of what it imports with
    `*` it may get more, and so all count that the other has.
    """
    for written, pairs in outline.imports:
        if pairs and _resolved(written, module) is source:
            for there, here in pairs:
                if there == "*":
                    every = {*vars(source)} if "__all__" in names else set()
                    yield from ((name, "*") for name in sorted(names | every))
                elif there in names:
                    value = vars(source).get(there, MISSING)
                    if value is not MISSING and vars(module).get(here, MISSING) is value:
                        yield there, here


def exported(outline: Outline, module: ModuleType) -> dict[str, object]:
    """Return what a module has now of all others from which it imports `*`."""
    found: dict[str, object] = {}
    for written, pairs in outline.imports:
        source = _resolved(written, module) if ("*", "*") in pairs else None
        if source is not None:
            there = vars(source)
            public = [name for name in there if not name.startswith("_")]
            names = there.get("__all__", public)
            found.update({name: there[name] for name in names if name in there})
    return found


def _resolved(written: str, module: ModuleType) -> ModuleType | None:
    try:
        name = resolve_name(written, getattr(module, "__package__", None) or "")
    except ImportError:
        return None
    return sys.modules.get(name)


def imported(outline: Outline, module: ModuleType, before: Outline | None) -> Iterator[ModuleType]:
    """Iterate over the modules that a text imports, as far as they are there.

    What was to be imported `before` and is not there has not been executed: it is for type
    checkers, for example.
    """
    known = [] if before is None else before.imports
    for written, pairs in outline.imports:
        names = {here for _, here in pairs}
        if (written, pairs) in known and names and names.isdisjoint({"*", *vars(module)}):
            continue
        separator = "" if written.endswith(".") else "."
        inner = [
            _resolved(f"{written}{separator}{name}", module) if name != "*" else None
            for name, _ in pairs
        ]
        yield from filter(None, inner)
        # Where only modules of a package are taken from it, it need not be done.
        found = _resolved(written, module)
        if found is not None and (not inner or None in inner):
            yield found
