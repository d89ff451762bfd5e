"""A closure can be of a subclass of tuple, and such an object can keep something alive."""

from __future__ import annotations

import gc
import types
import weakref
from collections.abc import Callable
from typing import Any

from hotpatch import hotpatch


class Kept:
    """Something that must not go before the function."""


class Cells(tuple[Any, ...]):
    """A closure like that of another extension which has the engine in it."""

    kept: Kept


def value_in_cells(cells: Cells) -> Callable[[], Any]:
    value = None

    def read() -> Any:
        return value

    return types.FunctionType(read.__code__, globals(), "read", None, cells)


def test_undo_puts_the_very_same_object_back() -> None:
    cells = Cells((types.CellType("old"),))
    target = value_in_cells(cells)

    with hotpatch(lambda: "new", target) as patch:
        assert target() == "new"
        assert patch.original() == "old"

    assert target.__closure__ is cells
    assert target() == "old"


def test_it_lives_as_long_as_the_function_also_where_it_cannot_be_put_back() -> None:
    """After undo the closure holds spare cells, so that it has to be another object."""
    cells = Cells((types.CellType("old"),))
    cells.kept = Kept()
    kept = weakref.ref(cells.kept)
    target = value_in_cells(cells)
    del cells
    one, two = "n", "ew"

    for _ in range(3):
        with hotpatch(lambda: one + two, target):
            assert target() == "new"
        assert target() == "old"
        gc.collect()
        assert kept() is not None

    del target
    gc.collect()
    assert kept() is None
