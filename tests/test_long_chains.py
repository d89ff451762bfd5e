"""Destroying many objects that hold one another must not exhaust the C stack."""

from __future__ import annotations

import gc
from collections.abc import Callable

from hotpatch import hotpatch, patches

LENGTH = 50_000


def make(number: int) -> Callable[[], int]:
    def function() -> int:
        return number

    return function


def test_a_chain_of_functions_that_replace_each_other_can_go() -> None:
    """Until 3.13 only containers protect the C stack when they are destroyed."""
    newest = make(0)
    for number in range(1, LENGTH):
        function = make(number)
        hotpatch(newest, function)
        newest = function
    assert newest() == 0

    del newest, function
    gc.collect()

    assert patches() == []


def test_a_function_with_many_patches_can_go() -> None:
    target = make(0)
    for number in range(1, 10_000):
        hotpatch(make(number), target)
    assert target() == 9_999

    del target
    gc.collect()

    assert patches() == []
