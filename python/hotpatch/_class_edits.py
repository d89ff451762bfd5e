"""What an edit changes in a class besides single methods and attributes."""

from __future__ import annotations

import abc
import ast
import functools
import gc
from collections.abc import Collection, Iterator
from types import CodeType, ModuleType
from weakref import ref

from hotpatch import _enums, _generated, _holders, _models
from hotpatch._annotations import is_annotated
from hotpatch._become import become, let_go, put, remember, slots_of, subclasses
from hotpatch._blocks import NotAppliedError
from hotpatch._class_text import ClassText, static_attributes
from hotpatch._classes import set_bases
from hotpatch._functions import functions_in
from hotpatch._generated import Dataclass
from hotpatch._local_classes import HAS_LINES
from hotpatch._native import Statement, Step
from hotpatch._report import Report
from hotpatch._scope import MISSING, Scope, Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_UNCHANGED = frozenset({"same", "moved", "rewritten"})


class ClassEdit:
    """What one edit changes in one class. Making it changes nothing.

    `inside` is the class, and `scope` where it stands. Code that is executed goes to `made`.
    """

    def __init__(
        self,
        old: Statement,
        new: Statement,
        inner: list[Step],
        scope: Scope,
        inside: Scope,
        module: ModuleType,
        report: Report,
        made: list[CodeType],
    ) -> None:
        assert new.name is not None
        assert isinstance(inside.owner, type)
        self._old, self._new, self._inner = old, new, inner
        self._scope, self._inside, self._module = scope, inside, module
        self._report, self._made = report, made
        self._undo: Undo = scope.undo
        self._name = new.name
        self._title = scope.qualname(new.name)
        self._owner: Any = inside.owner
        self._before = ClassText(old, scope, module)
        self._after = ClassText(new, scope, module)
        self._is_edited = any(step.fate not in _UNCHANGED for step in inner)
        self._is_reordered = _is_reordered(inner)
        self._has_other_header = old.header != new.header
        self._has_other_decorators = old.decorators != new.decorators
        self._is_touched = (
            self._is_edited
            or self._is_reordered
            or self._has_other_header
            or self._has_other_decorators
        )
        # The statements that were changed, and the names that those are about.
        self._statements: list[Statement] = []
        self._names = set[str]()
        # Whether it may be another class for what makes classes.
        self._is_reshaped = self._is_reordered
        self._keywords = False
        self._is_renewed = False
        self._is_reported = False
        self._slots: dict[str, object] = {}
        self._explicit = set[str]()
        if self._is_touched:
            self._look()

    def _look(self) -> None:
        """Find out what has to be done, while the class is as it was."""
        steps = [step for step in self._inner if step.fate in ("added", "removed")]
        parts = [it for step in steps if (it := step.new or step.old) is not None]
        self._statements = [it for it in parts if it.kind == "statement"]
        for it in self._statements:
            self._names |= self._after.names(it)
        self._is_reshaped |= bool(parts) or any(map(_is_redecorated, self._inner))
        self._slots = slots_of(self._owner)
        self._is_renewed = self._is_to_be_renewed()
        if _generated.is_dataclass(self._owner):
            keyword = self._before.makes_keywords() if self._before.decorators() else None
            self._explicit = _generated.find_explicit(self._owner, keyword)

    def is_needed(self) -> bool:
        """Return whether there is something to do for the class."""
        has_lines = "__firstlineno__" in vars(self._owner)
        return self._is_touched or (has_lines and self._old.lines != self._new.lines)

    @property
    def is_renewed(self) -> bool:
        """Whether its statement is executed."""
        return self._is_renewed

    def is_annotated_anew(self) -> bool:
        """Return whether its annotations are others now, or in another order."""
        fates = {"added", "removed", "rewritten"}
        if self._is_reordered:
            fates |= _UNCHANGED
        steps = [step for step in self._inner if step.fate in fates]
        statements = [it for step in steps if (it := step.new or step.old) is not None]
        return any(map(is_annotated, statements))

    def steps(self) -> list[Step]:
        """Return what is to be done by itself: all else comes with a new class."""
        if not self._is_renewed:
            return self._inner
        is_other = self._old.type_params != self._new.type_params
        is_whole = is_other or _models.is_model(self._owner)
        return [step for step in self._inner if _is_single(step, is_whole)]

    def follow_bases(self) -> None:
        """Let the class inherit from what has taken the place of its bases."""
        if follow_bases(self._owner, self._undo):
            return
        if self._is_touched:
            self._is_renewed = True
        else:
            self._renew()

    def begin(self) -> None:
        """Give the class its bases. It comes first."""
        if not self._has_other_header or self._is_renewed:
            return
        try:
            set_bases(self._new, self._scope, self._inside, self._module)
        except NotAppliedError:
            self._is_renewed = True
        else:
            self._add_updated()

    def finish(self) -> None:
        """Do what needs all attributes and methods that the class has now."""
        if self._is_renewed:
            self._renew()
        else:
            self._mend()
            if self._keywords:
                remember(self._owner, self._undo)
                super(self._owner, self._owner).__init_subclass__(**self._after.keywords())
            if self._has_other_decorators:
                self._decorate()
            elif self._is_reshaped:
                self._generate()
        if self._is_edited or self._has_other_header:
            for cls in (self._owner, *subclasses(self._owner)):
                self._find_abstract(cls)

    def _is_to_be_renewed(self) -> bool:
        """Return whether its statement has to be executed anew."""
        if self._has_other_header:
            before, after = self._before.header_keywords(), self._after.header_keywords()
            self._keywords = before != after
            is_plain = type(self._owner) in (type, abc.ABCMeta)
            is_plain = is_plain and "metaclass" not in {*before, *after}
            if self._old.type_params != self._new.type_params:
                return True
            if self._keywords and not is_plain:
                return True
        if "__slots__" in self._names:
            return True
        if _models.is_model(self._owner):
            return self._is_reshaped
        is_order = _enums.is_enum(self._owner) and self._is_reordered
        if _enums.is_enum(self._owner) or _models.is_record(self._owner):
            return bool(self._statements) or is_order
        if "__slots__" in self._slots and _generated.is_dataclass(self._owner):
            return self._names - self._slots.keys() != set() or self._loses_slots()
        return False

    def _loses_slots(self) -> bool:
        return not self._slots.keys() & self._names <= self._after.annotated() | {"__slots__"}

    def _mend(self) -> None:
        """Do what Python does when it makes a class, as far as an edit can change that."""
        owner, undo = self._owner, self._undo
        old = {name for step in self._inner if step.old is not None for name in step.old.binds}
        new = {name for step in self._inner if step.new is not None for name in step.new.binds}
        known = vars(owner).get("__hash__", MISSING)
        if "__hash__" not in new:
            is_other = "__eq__" not in old or "__hash__" in old
            if "__eq__" in new and is_other and known is not None:
                put(owner, "__hash__", None, undo)
            elif "__eq__" in old - new and known is None:
                put(owner, "__hash__", MISSING, undo)
        if any(not it.binds for it in self._statements) and self._after.has_text(self._statements):
            put(owner, "__doc__", self._after.doc(), undo)
        if "__firstlineno__" in vars(owner):
            if owner.__firstlineno__ != self._new.lines[0]:
                put(owner, "__firstlineno__", self._new.lines[0], undo)
            if self._is_edited:
                names = static_attributes(self._after.node())
                if names != {*owner.__static_attributes__}:
                    put(owner, "__static_attributes__", tuple(sorted(names)), undo)

    def _generate(self) -> None:
        """Let the decorators that are known work on the class again."""
        nodes = self._after.decorators()
        known = [it for it in nodes if self._after.is_known(it)]
        if len(known) != len(nodes) and self._statements:
            self._leave_decorators()
        self._apply([it for it in known if self._after.makes_methods(it)])

    def _leave_decorators(self) -> None:
        why = "what its decorators made of it stays as it is, but an attribute changed"
        self._report.leave_out(self._title, self._new, why)

    def _decorate(self) -> None:
        """Let other decorators than before work on the class."""
        before, after = self._before, self._after
        nodes = after.decorators()
        if _models.is_model(self._owner) or before.makes_slots() != after.makes_slots():
            self._renew()
            return
        if not all(before.is_known(it) for it in before.decorators()):
            # Nobody knows what they did, so it starts from what the text says.
            remember(self._owner, self._undo)
            kept = () if _generated.is_dataclass(self._owner) else self._kept()
            fresh = after.execute(self._made, lambda _: False)
            become(self._owner, fresh, self._undo, kept)
            gone = ref(fresh)
            del fresh
            let_go(gone, self._owner)
        self._apply(nodes)
        self._add_updated()

    def _apply(self, nodes: list[ast.expr]) -> None:
        """Apply decorators to the class, without what they and others have generated before."""
        owner, dataclass = self._owner, None
        is_total = _generated.is_total(owner)
        if _generated.is_dataclass(owner):
            dataclass = Dataclass(owner, self._undo, self._names, self._slots, self._explicit)
        elif not nodes and not is_total:
            return
        restore = remember(owner, self._undo)
        if is_total:
            _generated.strip_order(owner)
        is_there = any(self._after.is_dataclass(it) for it in nodes)
        is_gone = self._has_other_decorators
        result: Any = owner
        try:
            if dataclass is not None and (is_there or is_gone):
                dataclass.strip()
            elif dataclass is not None:
                dataclass.again()
            for node, decorator in reversed([(it, self._after.value(it)) for it in nodes]):
                if dataclass is not None and result is owner and self._after.is_dataclass(node):
                    dataclass.apply(decorator)
                else:
                    result = decorator(result)
        except NotAppliedError:
            restore()
            self._renew()
            return
        if result is not owner and self._is_taken_in(result):
            gone = ref(result)
            del result
            let_go(gone, owner)
        elif result is not owner:
            self._scope.set(self._name, result)
            self._replace("its decorators make another of it")
        if dataclass is not None or is_there:
            self._add_updated()
            self._let_follow()

    def _is_taken_in(self, result: object) -> bool:
        """Make the class what its decorators have made of it, if that can be."""
        if not isinstance(result, type) or issubclass(result, self._owner):
            return False
        try:
            turn_into(self._owner, result, self._undo)
        except NotAppliedError:
            return False
        return True

    def _add_updated(self) -> None:
        if not self._is_reported:
            self._report.add("updated", self._title, self._new)
            self._is_reported = True

    def _let_follow(self) -> None:
        """Let dataclasses that inherit from it follow, once they are what their own text says."""
        owner, undo = self._owner, self._undo
        undo.add_last(lambda: self._leave_out(_generated.follow(owner, undo)))

    def _leave_out(self, classes: list[tuple[type, str]]) -> None:
        for cls, why in classes:
            self._report.leave_out(cls.__qualname__, self._new, why)

    def _renew(self) -> None:
        """Execute its statement, and make the class what comes of that, or bind that."""
        nodes = self._after.decorators()
        skipped: list[ast.expr] = []
        is_whole = self._has_other_header or self._has_other_decorators
        if not is_whole and "__slots__" not in self._names:
            skipped = [it for it in nodes if not self._after.is_known(it)]
        fresh: Any = self._after.execute(self._made, lambda it: it not in skipped)
        try:
            if not isinstance(fresh, type):
                raise NotAppliedError("its decorators make no class of it")
            replaced, left_out = turn_into(
                self._owner, fresh, self._undo, self._kept(), self._bound()
            )
        except NotAppliedError as error:
            for node in reversed(skipped):
                fresh = self._after.value(node)(fresh)
            self._scope.set(self._name, fresh)
            self._replace(str(error))
            if isinstance(fresh, type):
                _holders.replace(self._owner, fresh, self._undo, [])
                self._undo.replaced[self._owner] = fresh
                self._undo.add_last(
                    functools.partial(let_subclasses_follow, self._owner, self._undo)
                )
        else:
            gone = ref(fresh)
            del fresh
            let_go(gone, self._owner)
            if skipped and self._statements:
                self._leave_decorators()
            for name, why in replaced:
                self._report.replace(f"{self._title}.{name}", self._new, why)
            self._leave_out(left_out)
            self._let_follow()
        self._add_updated()

    def _replace(self, reason: str) -> None:
        count = sum(issubclass(type(it), self._owner) for it in gc.get_objects())
        why = f"a new class has its name, since {reason}; {count} live instances of the old one"
        self._report.replace(self._title, self._new, f"{why} run its new methods")

    def _kept(self) -> set[str]:
        """Return the names that stay bound to what they are bound to.

        They are those of statements that must not be executed again, and of methods in the place of
        which somebody has put something else.
        """
        steps = [step for step in self._inner if step.fate in _UNCHANGED]
        statements = [it for step in steps if (it := step.new) is not None]
        key = self._inside.key
        names = {key(name) for it in statements if it.kind == "statement" for name in it.binds}
        for step in self._inner:
            if step.old is not None and step.new is not None and step.new.kind == "function":
                name = step.new.name or ""
                functions = [*functions_in(vars(self._owner).get(key(name)))]
                qualname = f"{self._owner.__qualname__}.{name}"
                if functions and all(it.__qualname__ != qualname for it in functions):
                    names.add(key(name))
        return names

    def _bound(self) -> set[str]:
        """Return the names that the text bound before."""
        old = [step.old for step in self._inner if step.old is not None]
        return {self._inside.key(name) for it in old for name in it.binds}

    def _find_abstract(self, cls: Any) -> None:
        before = vars(cls).get("__abstractmethods__")
        if before is not None:
            self._undo.add(lambda: setattr(cls, "__abstractmethods__", before))
            abc.update_abstractmethods(cls)


def turn_into(
    held: type,
    fresh: type,
    undo: Undo,
    kept: Collection[str] = (),
    bound: Collection[str] | None = None,
) -> tuple[list[tuple[str, str]], list[tuple[type, str]]]:
    """Make a class what another is, whatever made it, which nobody must use afterwards.

    `kept` and `bound` are those of `hotpatch._become.become`. Models that know of the class follow,
    and dataclasses do with `_generated.follow`. Returns the names of enum members that are new
    objects now though there was one of that name, and the models that do not follow, each with the
    reason.

    Raises `NotAppliedError` if instances of the two are laid out differently. Nothing has changed
    then.
    """
    if _enums.is_enum(held):
        return _enums.become(held, fresh, undo, kept, bound), []
    become(held, fresh, undo, kept, bound)
    return [], _models.follow(held, fresh, undo)


def follow_bases(cls: Any, undo: Undo) -> bool:
    """Let a class inherit from what has taken the place of its bases, and return whether it does.

    CPython does not allow it if instances are laid out differently, and of another metaclass it
    could not be.
    """
    bases = cls.__bases__
    now = tuple(undo.replaced.get(it, it) for it in bases)
    if now != bases:
        if not all(issubclass(type(cls), type(it)) for it in now):
            return False
        try:
            cls.__bases__ = now
        except TypeError:
            return False
        undo.add(setattr, cls, "__bases__", bases)
    return True


def let_subclasses_follow(cls: type, undo: Undo) -> None:
    """Let the classes inherit from what has taken the place of a class that inherited from it."""
    subclasses: list[type] = type.__subclasses__(cls)
    for subclass in subclasses:
        if subclass not in undo.replaced:
            follow_bases(subclass, undo)


def is_only_moved(step: Step) -> bool:
    """Return whether a class, with all that is in it, is as it was, but for its lines."""
    assert step.new is not None
    # The line of a class in it is a constant, which does not move (3.13).
    has_inner = HAS_LINES and any(step.new.contains(it) for it in (" class ", "\tclass "))
    return step.fate == "same" or (step.fate == "moved" and not has_inner)


def set_line(owner: object, statement: Statement, undo: Undo) -> None:
    """Give a class the line that its statement has now, if it has one."""
    if isinstance(owner, type) and "__firstlineno__" in vars(owner):
        put(owner, "__firstlineno__", statement.lines[0], undo)


def _is_single(step: Step, is_whole: bool) -> bool:
    """Return whether a step is done by itself though the class is executed anew."""
    statement = step.new or step.old
    assert statement is not None
    if statement.kind == "class" or step.fate in _UNCHANGED:
        return True
    if statement.kind != "function":
        return False
    return not is_whole or (step.fate == "edited" and not _is_declared_anew(step))


def _is_redecorated(step: Step) -> bool:
    old, new = step.old, step.new
    if old is None or new is None or new.kind != "function":
        return False
    return step.fate == "renamed" or old.decorators != new.decorators


def _is_declared_anew(step: Step) -> bool:
    """Return whether more than the body of a function changed."""
    old, new = step.old, step.new
    assert old is not None
    assert new is not None
    parts = [(it.decorators, it.defaults, it.annotations) for it in (old, new)]
    return parts[0] != parts[1]


def _is_reordered(inner: list[Step]) -> bool:
    """Return whether statements that are still there stand in another order."""

    def lines() -> Iterator[int]:
        for step in inner:
            if step.old is not None and step.new is not None and step.new.kind == "statement":
                yield step.old.lines[0]

    found = [*lines()]
    return found != sorted(found)
