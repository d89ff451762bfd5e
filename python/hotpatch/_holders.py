"""Puts an object in the place of another, wherever names, cells and partial objects hold that."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Iterator
from types import CellType, FrameType, ModuleType

from hotpatch._derived import Value
from hotpatch._functions import functions_in
from hotpatch._scope import Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def replace(old: object, new: object, undo: Undo, known: list[Any]) -> int:
    """Let what holds `old` hold `new`: names of modules and classes, cells, partial objects.

    For a class that is so as well if they hold a tuple in which it is.

    Returns how many other objects hold it, besides the list `known`, which is of the caller. Looks
    at all objects that the garbage collector knows.
    """
    spaces = {id(vars(it)): it for it in list(sys.modules.values()) if isinstance(it, ModuleType)}
    left, own = 0, {*undo.holders(), id(known)}
    if isinstance(old, type):
        own.update(map(id, _own_parts(old)))
    for holder in gc.get_referrers(old):
        if id(holder) in own or type(holder).__module__ == Value.__module__:
            continue
        if isinstance(holder, dict):
            owner = spaces.get(id(holder)) or _class_of(holder)
            if owner is not None:
                # No comprehension: the cell with which it would see `old` is no business of ours.
                for name, value in list(holder.items()):
                    if value is old:
                        setattr(owner, name, new)
                        undo.add(setattr, owner, name, old)
                continue
        elif isinstance(holder, CellType):
            holder.cell_contents = new
            undo.add(setattr, holder, "cell_contents", old)
            continue
        elif type(holder) is functools.partial:
            if holder.func is old:
                _set_func(holder, new)
                undo.add(_set_func, holder, old)
                continue
        elif type(holder) is tuple and isinstance(old, type):
            replace(holder, _exchanged(holder, old, new), undo, known)
        elif isinstance(holder, FrameType):
            continue  # a call that runs, such as this one
        left += 1
    return left


def _exchanged(items: tuple[object, ...], old: object, new: object) -> tuple[object, ...]:
    return tuple([new if it is old else it for it in items])


def _own_parts(cls: type) -> Iterator[object]:
    """Iterate over what holds a class because it is that: what `super()` needs, and orders."""
    for value in list(vars(cls).values()):
        for function in functions_in(value):
            names = function.__code__.co_freevars
            if "__class__" in names and function.__closure__:
                yield function.__closure__[names.index("__class__")]
    left = [cls]
    while left:
        cls = left.pop()
        yield cls.__mro__
        yield cls.__bases__
        left += type.__subclasses__(cls)


def _class_of(namespace: dict[Any, Any]) -> type | None:
    """Return the class that has a namespace."""
    for holder in gc.get_referrers(namespace):
        # `vars` of a class is a view of its namespace.
        if isinstance(holder, type) and all(
            vars(holder).get(name) is value for name, value in namespace.items()
        ):
            return holder
    return None


def _set_func(partial: Any, function: Any) -> None:
    partial.__setstate__((function, partial.args, partial.keywords, vars(partial)))
