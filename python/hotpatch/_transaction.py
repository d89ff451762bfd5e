"""Reloads modules as one transaction: all of them change, or none does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType

from hotpatch import _hooks, _native
from hotpatch._breath import Breath
from hotpatch._derived import taken
from hotpatch._following import Followed
from hotpatch._functions import Bodies
from hotpatch._native import Outline
from hotpatch._order import helpers_first
from hotpatch._report import Reload, Report, bring_into_order
from hotpatch._scope import Undo
from hotpatch._sources import (
    Source,
    content_of,
    decode,
    file_of,
    is_known,
    is_made_of,
    show,
    source_of,
)
from hotpatch._update import Update


class Transaction:
    """What differs between modules and their files, and how the modules follow."""

    def __init__(self, result: Reload, contents: dict[str, bytes]) -> None:
        self._result = result
        # By path, what is in files, as far as somebody has read them already.
        self._read = contents
        self._undo = Undo()
        self._updates: list[Update] = []
        self._breath = Breath()
        # What is in the files now.
        self._contents: dict[ModuleType, bytes] = {}

    def apply(self, modules: Iterable[ModuleType]) -> None:
        """Make modules what their files say.

        After an exception nothing has changed.
        """
        try:
            self._plan(self._edits(modules))
            self._carry_out()
        except BaseException:
            self._undo.roll_back()
            raise
        else:
            for update in self._updates:
                source = update.source
                before = source.outline and source.outline.text
                if update.module in self._contents:
                    self._result._before.append((update.module, before))
                update.commit()
                source.content = self._contents.get(update.module, source.content)
                show(update.source.file)
        finally:
            self._order()
            self._undo.forget()
            for update in self._updates:
                update.release()

    def _edits(self, modules: Iterable[ModuleType]) -> dict[ModuleType, tuple[Source, Outline]]:
        """Return the modules whose files say something else now, and what."""
        found = {}
        for module in modules:
            file = file_of(module)
            content = self._read.get(os.path.abspath(file))
            if content is None:
                content = content_of(file)
            if is_made_of(module, content):
                continue
            source = source_of(module)
            text = decode(content, source.file)
            if source.outline is None or text != source.outline.text:
                found[module] = source, outline_of(text, source.file)
                self._contents[module] = content
        return found

    def _plan(self, edits: dict[ModuleType, tuple[Source, Outline]]) -> None:
        left = helpers_first(edits)
        self._result.files += [edits[module][0].file for module in left]
        if left:
            _native.check_lock(left[0])
        followed: dict[ModuleType, list[Followed]] = {}
        done: set[ModuleType] = set()
        while left:
            module = left.pop(0)
            done.add(module)
            source, outline = edits[module]
            report = Report(self._result, source.file)
            follows = followed.get(module, [])
            update = Update(module, source, outline, report, self._undo, follows, self._breath)
            self._updates.append(update)
            if not update.rebound:
                continue
            is_more = False
            for other, its in _others(edits):
                names = [] if other in done else taken(its, other, module, update.rebound)
                for there, here in names:
                    followed.setdefault(other, []).append(Followed(here, module, there))
                    if other not in edits:
                        edits[other] = source_of(other), its
                        is_more = True
            if is_more:
                # What they hand on has to be known when those are looked at that take it.
                left = [it for it in helpers_first(edits) if it not in done]
        order = helpers_first(edits)
        self._updates.sort(key=lambda update: order.index(update.module))

    def _carry_out(self) -> None:
        for update in self._updates:
            sys.audit("hotpatch.reload", update.module, update.source.file)
        for update in self._updates:
            _hooks.dispose(update.module)
        self._swap()
        for update in self._updates:
            update.carry_out()
        self._undo.finish()
        for update in self._updates:
            update.tell()
        self._order()
        _hooks.upgrade((cls for it in self._updates for cls in it.classes), self._result)
        for update in self._updates:
            _hooks.tell(update.module, self._result)

    def _swap(self) -> None:
        """Give all functions that are edited, of all modules, their new code at once."""
        bodies = {
            id(function): (function, source)
            for update in self._updates
            for function, source in update.edited()
        }
        Bodies(self._undo).give(bodies.values())

    def _order(self) -> None:
        bring_into_order(self._result, [update.source.file for update in self._updates])


def outline_of(text: str, file: str) -> Outline:
    """Return the outline of a text. Raises `SyntaxError`, as CPython says it."""
    try:
        return Outline(text)
    except SyntaxError as error:
        problem = error
    compile(text, file, "exec", dont_inherit=True)  # which says more
    problem.filename = file
    raise problem


def _others(
    edits: dict[ModuleType, tuple[Source, Outline]],
) -> Iterator[tuple[ModuleType, Outline]]:
    """Iterate over the modules whose text is known, with what that is now."""
    for module in [*sys.modules.values()]:
        if module in edits:
            yield module, edits[module][1]
        elif isinstance(module, ModuleType) and is_known(module):
            outline = source_of(module).outline
            if outline is not None:
                yield module, outline
