"""Puts modules into an order in which they can change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

from hotpatch._derived import imported
from hotpatch._native import Outline
from hotpatch._sources import Source

Edits = dict[ModuleType, tuple[Source, Outline]]
Edges = dict[ModuleType, list[ModuleType]]


def helpers_first(edits: Edits) -> list[ModuleType]:
    """Return modules such that those come first that others import.

    In a circle imports that are new count more than others, and then what was executed first.
    """
    number = {module: number for number, module in enumerate(sys.modules.values())}
    modules = sorted(edits, key=lambda module: number.get(module, len(number)))
    order = {module: number for number, module in enumerate(modules)}
    every: Edges = {
        module: [it for it in imported(outline, module, source.outline) if it in edits]
        for module, (source, outline) in edits.items()
    }
    new = {module: [*_new(module, edits, every[module])] for module in edits}
    known = {
        module: [it for it in every[module] if order[it] < order[module] or it in new[module]]
        for module in edits
    }
    return [*_sorted(modules, order, [every, known, new])]


def _new(module: ModuleType, edits: Edits, others: list[ModuleType]) -> Iterator[ModuleType]:
    """Iterate over what a module did not import before.

    A package is there before all that is in it, but most of its statements come later.
    """
    outline = edits[module][0].outline
    if outline is not None:
        before = {*imported(outline, module, outline)}
        for other in others:
            if other not in before and not module.__name__.startswith(f"{other.__name__}."):
                yield other


def _sorted(
    modules: list[ModuleType], order: dict[ModuleType, int], levels: list[Edges]
) -> Iterator[ModuleType]:
    """Iterate over modules after what they need, by the first of some levels that says it."""
    if len(modules) == 1 or not levels:
        yield from modules
        return
    chosen = {*modules}
    edges = {module: [it for it in levels[0][module] if it in chosen] for module in modules}
    for circle in _circles(modules, edges):
        yield from _sorted(sorted(circle, key=order.__getitem__), order, levels[1:])


def _circles(modules: list[ModuleType], edges: Edges) -> Iterator[list[ModuleType]]:
    """Iterate over the groups of modules that lead to each other, after those they lead to."""
    # This is the algorithm of Tarjan.
    numbers: dict[ModuleType, int] = {}
    lowest: dict[ModuleType, int] = {}
    stack: list[ModuleType] = []
    done: set[ModuleType] = set()

    def visit(module: ModuleType) -> Iterator[list[ModuleType]]:
        numbers[module] = lowest[module] = len(numbers)
        stack.append(module)
        for other in edges[module]:
            if other not in numbers:
                yield from visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other not in done:
                lowest[module] = min(lowest[module], numbers[other])
        if lowest[module] == numbers[module]:
            start = stack.index(module)
            group = stack[start:]
            del stack[start:]
            done.update(group)
            yield group

    for module in modules:
        if module not in numbers:
            yield from visit(module)
