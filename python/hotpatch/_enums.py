"""Makes an enumeration what its text says, with its members staying the objects that they are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from contextlib import suppress

from hotpatch._become import check, remember, set_kind, take
from hotpatch._blocks import NotAppliedError
from hotpatch._scope import MISSING, Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What an enumeration knows of its members; not every version has all of them.
_LISTS = ("_member_names_", "_hashable_values_", "_unhashable_values_")
_MAPS = ("_member_map_", "_value2member_map_", "_unhashable_values_map_")
_IS_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE, Include/object.h


def is_enum(cls: type) -> bool:
    """Return whether a class is an enumeration."""
    module: Any = sys.modules.get("enum")
    return module is not None and isinstance(cls, module.EnumMeta)


def become(
    held: Any,
    fresh: Any,
    undo: Undo,
    kept: Collection[str] = (),
    bound: Collection[str] | None = None,
) -> list[tuple[str, str]]:
    """Make an enumeration what another is, which nobody must use afterwards.

    The values of members in `kept` come of statements that were not changed. What is in `bound` is
    said in `hotpatch._become.become`. Returns the names of
    members that are new objects though there was one of that name, with the reason.

    Raises `NotAppliedError` if members of the two are laid out differently. Nothing has changed
    then.
    """
    check(held, fresh)
    if not is_enum(fresh):
        raise NotAppliedError("it is no enumeration now")
    set_kind(held, fresh, remember(held, undo))
    members = _Members(held, fresh, undo, {*kept})
    names = {*held._member_map_, *fresh._member_map_, *_LISTS, *_MAPS}
    take(held, fresh, undo, kept, bound, names)
    members.move()
    return members.replaced


class _Members:
    """The members of two enumerations, of which one takes those of the other."""

    def __init__(self, held: Any, fresh: Any, undo: Undo, kept: set[str]) -> None:
        self._held = held
        self._fresh = fresh
        self._undo = undo
        self._kept = kept
        self._old: dict[str, Any] = dict(held._member_map_)
        self._pseudo = {
            value: it
            for value, it in held._value2member_map_.items()
            if not any(it is member for member in self._old.values())
        }
        # What members of the other are here, by their id.
        self._now: dict[int, Any] = {}
        self.replaced: list[tuple[str, str]] = []

    def move(self) -> None:
        """Let it have the members that the other has."""
        held, fresh = self._held, self._fresh
        for name in (*_LISTS, *_MAPS):
            if hasattr(held, name):
                self._undo.add(_restorer(getattr(held, name)))
        for name, member in fresh._member_map_.items():
            if id(member) not in self._now:
                self._now[id(member)] = self._member(name, member)
        for name in self._old:
            if name in vars(held) and name not in fresh._member_map_:
                type.__delattr__(held, name)
        for name, member in fresh._member_map_.items():
            self._place(name, self._now[id(member)])
        self._fill()
        self._keep_pseudo()

    def _member(self, name: str, new: Any) -> Any:
        """Return the object that is to be a member."""
        held = self._held
        old = self._old.get(name)
        if old is not None and old._name_ != name:
            old = None  # it was another name of a member
        is_pseudo = False
        if old is None:
            with suppress(TypeError):  # its value has no hash
                old = self._pseudo.pop(new._value_, None)
            is_pseudo = old is not None
        is_other = is_pseudo or (old is not None and self._is_other(name, old, new))
        if is_other and not is_pseudo and _is_fixed(held):
            kind = held._member_type_.__name__
            why = f"no {kind} can change; there is a new member, and the old one is left as it was"
            self.replaced.append((name, why))
            old = None
        if old is None:
            new.__class__ = held
            old = new
        else:
            self._undo.add(_restorer(vars(old)))
            if is_other:
                vars(old).update(vars(new))
            elif hasattr(new, "_sort_order_"):
                old._sort_order_ = new._sort_order_
        old.__objclass__ = held
        if "_inverted_" in vars(old):
            old._inverted_ = None
        return old

    def _is_other(self, name: str, old: Any, new: Any) -> bool:
        one, other = old._value_, new._value_
        is_same_kind = type(one) is type(other)
        if name in self._kept and is_same_kind and _is_compared_by_identity(one):
            return False
        return type(one) is not type(other) or not bool(one == other)

    def _place(self, name: str, member: Any) -> None:
        """Let the class have a member as an attribute, in the way of the version."""
        held, fresh = self._held, self._fresh
        value = vars(fresh).get(name, MISSING)
        if value is MISSING:
            return  # its metaclass finds it
        if id(value) in self._now or type(value) is fresh:
            value = member
        else:
            if hasattr(value, "member"):
                value.member = member
            value.__set_name__(held, name)
        if vars(held).get(name, MISSING) is not value:
            type.__setattr__(held, name, value)

    def _fill(self) -> None:
        held, fresh, now = self._held, self._fresh, self._now
        for name in _LISTS:
            if hasattr(fresh, name):
                getattr(held, name)[:] = getattr(fresh, name)
        _fill(held._member_map_, {name: now[id(it)] for name, it in fresh._member_map_.items()})
        values = {}
        for value, member in fresh._value2member_map_.items():
            if id(member) in now:
                its = now[id(member)]
                values[its._value_ if value is member._value_ else value] = its
        _fill(held._value2member_map_, values)
        if hasattr(fresh, "_unhashable_values_map_"):
            _fill(held._unhashable_values_map_, fresh._unhashable_values_map_)

    def _keep_pseudo(self) -> None:
        """Keep the combinations of flags that somebody may hold."""
        known = self._held._value2member_map_
        flags = [it for it in known.values() if isinstance(it._value_, int) and it._value_ > 0]
        mask = sum({it._value_ for it in flags if it._value_ & (it._value_ - 1) == 0})
        is_open = self._held._member_type_ is int
        for value, it in self._pseudo.items():
            if value in known or not isinstance(value, int):
                continue
            if is_open or value & ~mask == 0:
                self._undo.add(_restorer(vars(it)))
                known[value] = it
                if "_inverted_" in vars(it):
                    it._inverted_ = None
                if it._name_ is not None:
                    parts = [flag._name_ for flag in self._held if flag._value_ & value]
                    rest = value & ~mask
                    it._name_ = "|".join([*parts, *([str(rest)] if rest else [])])


def _is_compared_by_identity(value: object) -> bool:
    return getattr(type(value), "__eq__", None) is object.__dict__["__eq__"]


def _is_fixed(cls: Any) -> bool:
    """Return whether the members are values of a builtin type as well, which never change."""
    kinds = [it for it in cls.__mro__ if not it.__flags__ & _IS_HEAP_TYPE]
    return kinds != [object]


def _fill(known: dict[Any, Any], values: dict[Any, Any]) -> None:
    known.clear()
    known.update(values)


def _restorer(values: Any) -> Callable[[], None]:
    """Return what fills a list or a dictionary again as it is now."""
    before = values.copy()

    def restore() -> None:
        values.clear()
        if isinstance(values, dict):
            values.update(before)
        else:
            values.extend(before)

    return restore
