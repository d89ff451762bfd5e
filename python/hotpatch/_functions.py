"""Finds the functions that came of a text, and makes their new selves."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from types import CellType, CodeType, FunctionType, ModuleType

from hotpatch import _native
from hotpatch._scope import Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MAKES_ANNOTATIONS = sys.version_info >= (3, 14)
_HAS_DOC = 0x4000000  # CO_HAS_DOCSTRING, Include/cpython/code.h, 3.14


def functions_in(value: object) -> Iterator[FunctionType]:
    """Iterate over the functions that an attribute of a module or a class leads to.

    Decorators keep the function inside in a closure, or as `__wrapped__`.
    """
    seen = set()
    left = [value]
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, FunctionType):
            yield value
            left += [it for cell in value.__closure__ or () if (it := content_of(cell)) is not None]
        elif isinstance(value, (staticmethod, classmethod)):
            left.append(value.__func__)
        elif isinstance(value, property):
            left += [value.fdel, value.fset, value.fget]
        elif isinstance(value, (functools.partial, functools.cached_property)):
            left.append(value.func)
        wrapped = getattr(value, "__dict__", {}).get("__wrapped__")
        if wrapped is not None:
            left.append(wrapped)


def content_of(cell: CellType) -> object:
    """Return what is in a cell, or None."""
    try:
        return cell.cell_contents
    except ValueError:
        return None  # it is empty


def functions_of(module: ModuleType) -> Iterator[FunctionType]:
    """Iterate over the functions that names of a module and of its classes lead to."""
    left: list[ModuleType | type] = [module]
    seen = set()
    while left:
        owner = left.pop()
        if id(owner) in seen:
            continue
        seen.add(id(owner))
        for value in list(vars(owner).values()):
            if isinstance(value, type):
                if value.__module__ == module.__name__:
                    left.append(value)
            else:
                yield from functions_in(value)


def code_of(function: FunctionType) -> CodeType:
    """Return the code that a function has below its patches."""
    return _native.below(function).__code__


def with_codes(
    codes: list[CodeType], module: ModuleType, named: list[FunctionType], held: int
) -> list[FunctionType]:
    """Find all functions that have one of some code objects.

    `held` is how many references the caller has to each, besides the list. While there are others
    than those of the functions that are known, it looks further: at what is `named`, then at all
    names of the module, then at all objects.
    """
    wanted = set(map(id, codes))
    for known in (named, functions_of(module)):
        unique = {id(it): it for it in known if id(code_of(it)) in wanted}
        found = [*unique.values()]
        if not _native.unaccounted(codes, found, held):
            return found
    return _native.functions_with(codes)


class Bodies:
    """Gives functions new bodies, and can take that back."""

    def __init__(self, undo: Undo) -> None:
        self._undo = undo

    def give(self, pairs: Iterable[tuple[FunctionType, FunctionType]]) -> None:
        """Make functions do what others do, all at once. Their doc strings follow."""
        pairs = [*pairs]
        before = [(function, _native.below(function)) for function, _ in pairs]
        _native.rebase(pairs)
        self._undo.add(_native.rebase, before)
        for (function, source), (_, base) in zip(pairs, before, strict=True):
            old, new = doc_of(base.__code__), doc_of(source.__code__)
            if function.__doc__ == old != new:
                self.set(function, "__doc__", new)

    def become(self, function: FunctionType, other: FunctionType) -> None:
        """Make a function what another one is, with its name and attributes."""
        self.give([(function, other)])
        for name in ("__name__", "__qualname__", "__doc__"):
            self.set(function, name, getattr(other, name))
        self.take_attributes(function, other)

    def take_attributes(self, function: FunctionType, other: FunctionType) -> None:
        """Give a function the attributes of another, besides those that it has."""
        self._undo.add(_restore_attributes, function, dict(vars(function)))
        for name in ("__wrapped__", "__isabstractmethod__"):
            vars(function).pop(name, None)
        vars(function).update(vars(other))

    def wrappers(self, value: object) -> Iterator[Callable[[], None]]:
        """Iterate over what lets wrappers go on to have what they have taken of what they wrap."""
        names = ("__doc__", "__annotate__" if _MAKES_ANNOTATIONS else "__annotations__")
        for it in functions_in(value):
            wrapped = vars(it).get("__wrapped__")
            if isinstance(wrapped, FunctionType):
                # `functools.wraps` gives them the same objects.
                same = [name for name in names if getattr(it, name) is getattr(wrapped, name)]
                yield functools.partial(self._follow, it, wrapped, same)

    def _follow(self, function: FunctionType, wrapped: FunctionType, names: list[str]) -> None:
        for name in names:
            if getattr(function, name) is not getattr(wrapped, name):
                self.set(function, name, getattr(wrapped, name))

    def set(self, function: FunctionType, name: str, value: object) -> None:
        """Set an attribute of a function."""
        before = getattr(function, name)
        self._undo.add(setattr, function, name, before)
        setattr(function, name, value)


def _restore_attributes(function: FunctionType, attributes: dict[str, Any]) -> None:
    vars(function).clear()
    vars(function).update(attributes)


def doc_of(code: CodeType) -> str | None:
    """Return the doc string that a function has which is made of a code object."""
    first = code.co_consts[0] if code.co_consts else None
    # Before 3.14 the first constant is the doc string if it is a text.
    has_doc = sys.version_info < (3, 14) or code.co_flags & _HAS_DOC
    return first if has_doc and isinstance(first, str) else None


def with_code(
    base: FunctionType,
    code: CodeType,
    owner: type | None,
    defaults: dict[str, Any] | None = None,
) -> FunctionType | None:
    """Return a function with other code, or None if it lacks a variable that the code captures.

    `owner` is the class that `super()` means in a method that did not use it. Without `defaults`
    parameters keep those that they have.
    """
    cells = dict(zip(base.__code__.co_freevars, base.__closure__ or (), strict=True))
    if owner is not None:
        cells.setdefault("__class__", CellType(owner))
    if not cells.keys() >= set(code.co_freevars):
        return None
    known = defaults_of(base) if defaults is None else defaults
    names = code.co_varnames[: code.co_argcount]
    positional = [known[name] for name in names if name in known]
    if any(name not in known for name in names[len(names) - len(positional) :]):
        return None  # one in between has none now
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    function = FunctionType(
        code,
        base.__globals__,
        base.__name__,
        tuple(positional) or None,
        tuple(cells[name] for name in code.co_freevars) or None,
    )
    function.__kwdefaults__ = {name: known[name] for name in keywords if name in known} or None
    take_annotations(function, base)
    return function


def defaults_of(function: FunctionType) -> dict[str, Any]:
    """Return the default of each parameter that has one."""
    code, positional = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    known = dict(zip(names[len(names) - len(positional) :], positional, strict=False))
    return {**known, **(function.__kwdefaults__ or {})}


def take_annotations(function: FunctionType, other: FunctionType) -> None:
    """Give a function the annotations and type parameters of another."""
    # The first is there since 3.14, and makes the second; the last since 3.12.
    for name in ("__annotate__", "__annotations__", "__type_params__"):
        if hasattr(other, name) and not (name == "__annotations__" and _MAKES_ANNOTATIONS):
            setattr(function, name, getattr(other, name))
