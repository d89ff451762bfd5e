"""Tells objects that keep the code of a function that it is other code now, as jurigged does.

Such an object has a method `__conform__`, and refers to the code object itself. Compilers that have
made something of it are made to work in this way.
"""

from __future__ import annotations

import gc
from types import CodeType, FunctionType

from hotpatch import _native
from hotpatch._scope import Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Conforming:
    """The objects that keep code which is about to change, with that and what it becomes."""

    def __init__(self, undo: Undo) -> None:
        self._undo = undo
        self._found: list[tuple[Any, CodeType, CodeType | None]] = []

    def look(
        self,
        codes: list[CodeType],
        functions: list[FunctionType],
        held: int,
        become: dict[int, CodeType],
    ) -> None:
        """Find those that keep some code objects, of which all `functions` are known.

        `held` is how many references the caller has to each, besides the list. Looks at all objects
        that the garbage collector knows if somebody else has some.
        """
        left = _native.unaccounted(codes, functions, held)
        for holder in gc.get_referrers(*left) if left else ():
            if hasattr(type(holder), "__conform__"):
                referents = {id(it) for it in gc.get_referents(holder)}
                self._found += [
                    (holder, code, become.get(id(code))) for code in left if id(code) in referents
                ]

    def tell(self) -> None:
        """Call `__conform__(code)` of each, with None if the function is gone."""
        for holder, before, after in self._found:
            self._undo.add(holder.__conform__, before)
            holder.__conform__(after)
        self._found.clear()
