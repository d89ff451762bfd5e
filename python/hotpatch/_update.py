"""Plans what an edit of a source file changes in a module that runs, and does it."""

from __future__ import annotations

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import CodeType, FunctionType, ModuleType
from weakref import ref

from hotpatch import _annotations, _blocks, _holders, _native, _removal, _unknown
from hotpatch._become import let_go
from hotpatch._blocks import NotAppliedError
from hotpatch._breath import Breath
from hotpatch._class_edits import ClassEdit, is_only_moved, set_line, turn_into
from hotpatch._classes import annotate
from hotpatch._conform import Conforming
from hotpatch._following import Followed, Following
from hotpatch._functions import (
    Bodies,
    code_of,
    defaults_of,
    functions_in,
    take_annotations,
    with_code,
    with_codes,
)
from hotpatch._inner_defaults import inner_defaults
from hotpatch._lambdas import joined, lambda_pairs
from hotpatch._local_classes import changed_classes, has_to_change
from hotpatch._native import Outline, Statement, Step
from hotpatch._rebinding import Later, by_name, corrected, made_by
from hotpatch._report import Report
from hotpatch._scope import MISSING, Scope, Undo
from hotpatch._sources import Source
from hotpatch._units import Place, child, codes_in, future_flags, matched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BLOCKS = frozenset({"if", "try", "with", "for", "while", "match"})


class Update:
    """What one edit changes in one module. Making it changes nothing."""

    def __init__(
        self,
        module: ModuleType,
        source: Source,
        new: Outline,
        report: Report,
        undo: Undo,
        followed: list[Followed],
        breath: Breath,
    ) -> None:
        self.module = module
        self.source = source
        self._new = new
        self._report = report
        self._undo = undo
        self._breath = breath
        self._bodies = Bodies(undo)
        self._conforming = Conforming(undo)
        self._following = Following(module, new, followed, self._bodies, report)
        # The code objects of the file, and the first line of each, by that.
        self._codes = sorted(source.codes(), key=lambda code: code.co_firstlineno)
        self._lines = [code.co_firstlineno for code in self._codes]
        # What code objects become, the classes of those that are methods, and what has their names.
        self._pairs: list[tuple[CodeType, CodeType]] = []
        self._named: list[FunctionType] = []
        self._owners: dict[int, type] = {}
        # What says which defaults functions have now that were made of code in others.
        self._inner: dict[int, Callable[[FunctionType], dict[str, Any]]] = {}
        # Code that is new, with what is in it.
        self._made: list[CodeType] = []
        # Code of what was deleted, and that itself, by its qualified name.
        self._gone: list[CodeType] = []
        self._deleted: dict[str, ref[Any]] = {}
        # Code objects that move, by how many lines; and those that need not or must not.
        self._moves: dict[int, list[CodeType]] = {}
        self._is_placed: set[int] = set()
        self._is_kept: set[int] = set()
        # Classes in which something changed.
        self.classes: list[type] = []
        # What is to be executed, in the order of the text.
        self._actions: list[Callable[[], None]] = []
        if source.outline is None:
            all_of_them = new.steps(new)
            place = Place(source.file, future_flags(new, all_of_them, source.file))
            steps = _unknown.steps(module, all_of_them, self._codes, place)
            report.add_unknown(module.__name__)
        else:
            steps = source.outline.steps(new)
            place = Place(source.file, future_flags(new, steps, source.file))
        scope = Scope(module, place, undo)
        self._plan(steps, scope)
        self._plan_annotations(steps, scope)

    @property
    def rebound(self) -> set[str]:
        """The names of the module that may get another value."""
        return self._following.rebound

    def edited(self) -> list[tuple[FunctionType, FunctionType]]:
        """Return the functions that get new code, each with one that has it."""
        become = {id(old): new for old, new in self._pairs}
        # The pairs have each code object, and so has the list of those of the file.
        codes = [old for old, _ in self._pairs]
        functions = with_codes(codes, self.module, self._named, 2)
        self._conforming.look(codes, functions, 2, become)
        if self._gone:
            functions_gone = with_codes(self._gone, self.module, self._named, 1)
            self._conforming.look(self._gone, functions_gone, 1, {})
        return self._with_code([(it, become[id(code_of(it))]) for it in functions])

    def carry_out(self) -> None:
        """Change everything else. After an exception, what was done is to be undone."""
        for lines, codes in self._moves.items():
            self._move_by(codes, lines)
        for action in self._actions:
            action()

    def tell(self) -> None:
        """Tell objects that keep code of functions what that is now."""
        self._conforming.tell()

    def commit(self) -> None:
        """Remember what the module is made of now. Afterwards there is nothing to take back."""
        self.source.outline = self._new
        self.source.deleted.update(self._deleted)
        self.source.leave_out(self._gone)
        self.source.add([code for made in self._made for code in codes_in(made)])

    def release(self) -> None:
        """Let go of everything, so that old code need not wait for the garbage collector."""
        for kept in (self._actions, self._codes, self._pairs, self._made, self._named, self._gone):
            kept.clear()
        self._moves.clear()

    def _plan(self, steps: list[Step], scope: Scope) -> None:
        steps = joined([*corrected(steps, scope, self._is_alive)], scope, self._live)
        # In the text as it was, and as it is.
        around_old, around_new = (
            {line for it in statements if it is not None for line, _, _ in it.blocks}
            for statements in ([step.old for step in steps], [step.new for step in steps])
        )
        bound = {name for step in steps if step.new is not None for name in step.new.binds}
        bound |= {"__doc__" for step in steps if step.new is not None and step.new.is_doc}
        blocks = {
            step.new.lines[0]: step.new
            for step in steps
            if step.new is not None and step.new.kind in _BLOCKS
        }
        changing = self._following.changing(steps, scope)
        # Names that a statement binds which runs again: so must those that bind them after it.
        again = set[str]()
        later = Later(steps, scope)
        classes = by_name(steps)
        for step in steps:
            self._breath.take()
            old, new = step.old, step.new
            self._actions += later.restored(step)
            if new is not None and new.kind == "statement":
                if old is None:
                    again.update(new.binds)
                elif not again.isdisjoint(new.binds):
                    old = None
            if changing and old is not None and new is not None:
                self._actions += self._following.actions(old, new, scope, changing)
            if new is None:
                assert old is not None
                if not (old.is_main or (old.kind in _BLOCKS and old.lines[0] in around_old)):
                    self._plan_removal(old, scope, bound)
            elif old is None:
                is_partial = new.kind in _BLOCKS and new.lines[0] in around_new
                outermost = blocks.get(new.blocks[0][0]) if new.blocks else None
                self._plan_addition(new, scope, outermost, is_partial=is_partial)
            elif new.kind == "class":
                if changing or not is_only_moved(step):
                    is_made = made_by(old, classes, scope)
                    if is_made and self._plan_class(step, scope, is_following=bool(changing)):
                        again.update(new.binds)
                elif new.lines != old.lines:
                    self._plan_move(old, new)
                    line = functools.partial(set_line, scope.get(new.name or ""), new, self._undo)
                    self._actions.append(line)
            elif new.kind == "function" and (fate := has_to_change(step)):
                self._plan_function(fate, old, new, scope)
            elif new.kind == "statement" and step.fate == "edited":
                self._plan_lambdas(old, new, scope)
            elif new.lines != old.lines and new.kind not in _BLOCKS:
                self._plan_move(old, new)

    def _plan_annotations(self, steps: list[Step], scope: Scope) -> None:
        """Plan what becomes of the annotations of names of the module."""
        changed = [step for step in steps if step.fate in ("added", "removed")]
        for it in (step.new or step.old for step in changed):
            if it is not None and "annotations" in it.binds and it.contains("__future__"):
                why = "annotations of what did not change stay what they are"
                self._report.leave_out("annotations", it, why)
        gone = {it for step in changed if step.old for it in _annotations.names(step.old)}
        if gone or any(_annotations.names(step.new) for step in changed if step.new):

            def annotate_module() -> None:
                code = _annotations.annotate(self.module, self._new, gone, scope)
                self._made += [code] if code is not None else []

            self._actions.append(annotate_module)

    def _live(self, statement: Statement) -> Iterator[CodeType]:
        """Iterate over the code objects that came of a statement."""
        first, last = statement.lines
        start, end = bisect_left(self._lines, first), bisect_right(self._lines, last)
        for code in self._codes[start:end]:
            if id(code) not in self._is_placed:
                yield code

    def _is_alive(self, statement: Statement) -> bool:
        return any(True for _ in self._live(statement))

    def _plan_move(self, old: Statement, new: Statement) -> None:
        lines = new.lines[0] - old.lines[0]
        for code in self._live(old):
            self._is_placed.add(id(code))
            self._moves.setdefault(lines, []).append(code)

    def _plan_class(self, step: Step, scope: Scope, *, is_following: bool) -> bool:
        """Plan what becomes of a class, and return whether its statement is executed."""
        old, new, inner = step.old, step.new, step.inner
        assert old is not None
        assert new is not None
        assert new.name is not None
        owner = scope.get(new.name)
        title = scope.qualname(new.name)
        is_edited = any(step.fate not in ("same", "moved", "rewritten") for step in inner)
        if not isinstance(owner, type):
            if is_edited:
                self._report.leave_out(title, new, "its name is no class now")
            return False
        if is_edited:
            self.classes.append(owner)
        inside = Scope(owner, scope.place.inside(new), self._undo)
        edit = ClassEdit(old, new, inner, scope, inside, self.module, self._report, self._made)
        if is_following:
            self._actions.append(edit.follow_bases)
        if edit.is_needed():
            self._actions.append(edit.begin)
        self._plan(edit.steps(), inside)
        if edit.is_annotated_anew():
            self._actions.append(lambda: annotate(new, scope, inside, self.module))
        if edit.is_needed():
            self._actions.append(edit.finish)
        return edit.is_renewed

    def _plan_lambdas(self, old: Statement, new: Statement, scope: Scope) -> None:
        """Let lambdas change in place, in a statement that is not executed again."""
        title = scope.qualname(", ".join(new.binds) or "lambda")
        self._report.add("updated", title, new)
        tree, pairs = lambda_pairs(old, new, scope, self._live(old))
        self._made.append(tree)
        self._pairs += pairs
        self._is_placed.update(id(before) for before, _ in pairs)
        if isinstance(scope.owner, type):
            self._owners.update((id(before), scope.owner) for before, _ in pairs)
        for name in old.binds:
            self._named += functions_in(scope.get(name))

    def _plan_function(self, fate: str, old: Statement, new: Statement, scope: Scope) -> None:
        assert old.name is not None
        assert new.name is not None
        place = old.name, old.lines[0]
        lives = [it for it in self._live(old) if (it.co_name, it.co_firstlineno) == place]
        tree = scope.place.compile(new)
        code = child(scope.place.body(tree), new.name)
        self._made.append(code)
        is_declared_anew = old.annotations != new.annotations or old.defaults != new.defaults
        places = dict[tuple[str, int], CodeType]()
        self._named += functions_in(scope.get(old.name))
        for live in lives:
            self._is_placed.update(map(id, codes_in(live)))
            pairs = [*matched(live, code)]
            for inner, now in inner_defaults(old, new, scope.place, pairs):
                self._inner[id(inner)] = now
            # It gets its code together with what is evaluated.
            self._pairs += pairs[1:] if is_declared_anew else pairs
            places.update({(it.co_name, it.co_firstlineno): after for it, after in pairs})
            if isinstance(scope.owner, type):
                self._owners[id(live)] = scope.owner
        # Code that stayed when this was edited before is of functions that lacked a variable.
        for kept in [*self._live(old)]:
            after = places.get((kept.co_name, kept.co_firstlineno))
            if after is not None:
                self._is_placed.update(map(id, codes_in(kept)))
                self._pairs += matched(kept, after)
        if fate == "rewritten" or (new.blocks and not lives):
            return
        names = old.name, new.name
        for name in changed_classes(old, new, scope):
            why = "such classes that were made before get its new methods, and nothing else"
            self._report.leave_out(f"{scope.qualname(new.name)}.<locals>.{name}", new, why)
        kind = "renamed" if fate == "renamed" else "updated"
        self._report.add(kind, scope.qualname(new.name), new)
        cache = scope.get(old.name)
        if fate == "renamed":
            self._actions.append(lambda: self._rename(*names, scope))
        if old.decorators != new.decorators:
            self._actions.append(lambda: self._decorate(new, tree, scope))
        elif is_declared_anew:
            self._actions.append(lambda: self._declare(old, new, code, lives, scope))
        self._actions += self._bodies.wrappers(scope.get(old.name))
        if isinstance(cache, functools._lru_cache_wrapper):
            # For statements that follow; and again for calls that others make on the way.
            self._actions.append(cache.cache_clear)
            self._undo.add_last(cache.cache_clear)
            self._undo.add(cache.cache_clear)

    def _plan_addition(
        self, new: Statement, scope: Scope, outermost: Statement | None, *, is_partial: bool
    ) -> None:
        title = scope.qualname(new.name or ", ".join(new.binds) or new.kind)
        if new.is_main:
            self._report.leave_out(title, new, "it runs only when the file is run as a program")
        elif is_partial:
            self._report.leave_out(title, new, "what was in it before is not run again")
        else:
            tree = scope.place.compile(new)
            self._actions.append(lambda: self._run_new(new, title, tree, outermost, scope))

    def _run_new(
        self,
        new: Statement,
        title: str,
        tree: CodeType | None,
        outermost: Statement | None,
        scope: Scope,
    ) -> None:
        """Execute a statement that was not there, if its blocks are such that it would run."""
        try:
            if outermost is not None:
                tree = _blocks.compiled(new, outermost, scope.place, scope.names(self.module))
            elif new.blocks:
                raise NotAppliedError("what is in such a block is not run again")
        except NotAppliedError as error:
            self._report.leave_out(title, new, str(error))
        else:
            if tree is not None:
                is_definition = new.kind in ("function", "class")
                self._report.add("added" if is_definition else "ran", title, new)
                self._run(tree, scope)
                if is_definition:
                    self._revive(new, scope)

    def _revive(self, new: Statement, scope: Scope) -> None:
        """Let a function or a class that was deleted before, and is there again, be what it was."""
        assert new.name is not None
        before = self.source.deleted.get(scope.qualname(new.name), lambda: None)()
        after = scope.get(new.name)
        if isinstance(before, FunctionType) and isinstance(after, FunctionType):
            self._bodies.become(before, after)
            scope.set(new.name, before)
        elif isinstance(before, type) and isinstance(after, type):
            try:
                turn_into(before, after, self._undo)
            except NotAppliedError as error:
                why = f"a new class has its name, not that which was deleted, since {error}"
                self._report.replace(scope.qualname(new.name), new, why)
                return
            scope.set(new.name, before)
            gone = ref(after)
            del after
            let_go(gone, before)

    def _plan_removal(self, old: Statement, scope: Scope, bound: set[str]) -> None:
        codes = [*self._live(old)]
        self._gone += codes
        for name in old.binds if codes else ():
            self._named += functions_in(scope.get(name))
        if old.is_doc and isinstance(scope.owner, ModuleType) and "__doc__" not in bound:
            self._actions.append(lambda: scope.set("__doc__", None))

        def remove(name: str) -> None:
            value = scope.get(name)
            title = scope.qualname(name)
            if value is MISSING:
                return
            if not _removal.is_bound_by(old, value, codes, scope, name):
                self._report.leave_out(title, old, "it is gone, but something else has its name")
            else:
                self._report.add("deleted", title, old)
                scope.delete(name)
                if old.kind in ("function", "class"):
                    with suppress(TypeError):  # there are no weak references to it
                        self._deleted[title] = ref(value)

        for name in old.binds:
            if name in bound:
                self._actions.append(
                    functools.partial(_removal.leave_part, old, codes, name, scope, self._report)
                )
            if name not in bound and not _removal.is_written(name, scope, self._codes):
                self._actions.append(lambda name=name: remove(name))  # type: ignore[misc]

    def _with_code(
        self,
        functions: list[tuple[FunctionType, CodeType]],
        defaults: Callable[[FunctionType], dict[str, Any]] | None = None,
        annotated: FunctionType | None = None,
    ) -> list[tuple[FunctionType, FunctionType]]:
        """Return functions each with one that has its new code, and what else has changed.

        Those that cannot get it are reported.
        """
        pairs, stale = [], dict[int, list[FunctionType]]()
        for function, code in functions:
            base = _native.below(function)
            owner = self._owners.get(id(base.__code__))
            known = defaults or self._inner.get(id(base.__code__))
            source = with_code(base, code, owner, known and known(base))
            if source is None:
                stale.setdefault(code.co_firstlineno, []).append(function)
                self._keep_place(base.__code__, code.co_firstlineno)
            else:
                if annotated is not None:
                    take_annotations(source, annotated)
                pairs.append((function, source))
        for line, kept in stale.items():
            self._report.keep(kept[0].__qualname__, line, len(kept))
        return pairs

    def _keep_place(self, code: CodeType, line: int) -> None:
        """Let code that stays be found where its text is now."""
        codes = [it for it in codes_in(code) if id(it) not in self._is_kept]
        self._is_kept.update(map(id, codes))
        self._move_by(codes, line - code.co_firstlineno)

    def _move_by(self, codes: list[CodeType], lines: int) -> None:
        _native.move_lines(codes, lines)
        self._undo.add(_native.move_lines, codes, -lines)

    def _run(self, tree: CodeType, scope: Scope) -> None:
        self._made.append(tree)
        scope.run(tree, self.module)

    def _rename(self, old: str, new: str, scope: Scope) -> None:
        value = scope.get(old)
        if value is not MISSING:
            scope.delete(old)
            scope.set(new, value)
        for function in functions_in(value):
            if function.__qualname__ == scope.qualname(old):
                self._bodies.set(function, "__name__", new)
                self._bodies.set(function, "__qualname__", scope.qualname(new))

    def _decorate(self, new: Statement, tree: CodeType, scope: Scope) -> None:
        """Execute a definition whose decorators changed. A function stays the object that it is."""
        assert new.name is not None
        before = scope.get(new.name)
        self._run(tree, scope)
        after = scope.get(new.name)
        if isinstance(before, FunctionType) and isinstance(after, FunctionType):
            self._bodies.become(before, after)
            scope.set(new.name, before)
        elif before is not MISSING and before is not after:
            count = _holders.replace(before, after, self._undo, self._named)
            if count:
                self._report.keep_holders(scope.qualname(new.name), new.lines[0], count)

    def _declare(
        self, old: Statement, new: Statement, code: CodeType, lives: list[CodeType], scope: Scope
    ) -> None:
        """Evaluate defaults and annotations of functions that changed, and give them their code."""
        fresh = self._undecorated(new, scope)
        values = defaults_of(fresh)

        def defaults(base: FunctionType) -> dict[str, Any]:
            known = defaults_of(base)
            is_kept = {
                name: name in known and old.defaults.get(name) == new.defaults.get(name)
                for name in values
            }
            return {name: (known if is_kept[name] else values)[name] for name in values}

        # The list of all code objects of the file has each of these.
        functions = with_codes(lives, self.module, self._named, 1)
        self._conforming.look(lives, functions, 1, {id(live): code for live in lives})
        annotated = fresh if old.annotations != new.annotations else None
        pairs = self._with_code([(function, code) for function in functions], defaults, annotated)
        self._bodies.give(pairs)

    def _undecorated(self, new: Statement, scope: Scope) -> FunctionType:
        """Execute a definition without its decorators, and return the function."""
        assert new.name is not None
        tree = scope.place.compile(new, new.undecorated)
        # Nobody else sees it under its name.
        function = scope.results(tree, self.module)[scope.key(new.name)]
        assert isinstance(function, FunctionType)
        return function
