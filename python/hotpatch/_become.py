"""Makes a class object what another class object is, with its instances and subclasses."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Collection, Iterator
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from weakref import WeakKeyDictionary, ref

from hotpatch._blocks import NotAppliedError
from hotpatch._functions import Bodies, content_of, functions_in
from hotpatch._scope import MISSING, Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# These belong to the object that a class is, or are found anew.
_KEPT = frozenset({"__dict__", "__weakref__", "__slots__", "_abc_impl"})
# What Python made of the annotations; it is no method of the class.
_ANNOTATE = frozenset({"__annotate__", "__annotate_func__"})
_SIZES = ("__basicsize__", "__itemsize__", "__dictoffset__", "__weakrefoffset__")

# What classes that nobody must use any more are: those may be bases of others of the kind.
_became: WeakKeyDictionary[type, ref[type]] = WeakKeyDictionary()


def remember(cls: type, undo: Undo) -> Callable[[], None]:
    """Take note of all that a class is, and return what makes it that again."""
    kind, bases, attributes = type(cls), cls.__bases__, dict(vars(cls))

    def restore() -> None:
        if type(cls) is not kind:
            cls.__class__ = kind
        if cls.__bases__ != bases:
            cls.__bases__ = bases
        for name in vars(cls).keys() - attributes.keys():
            type.__delattr__(cls, name)
        for name, value in attributes.items():
            if vars(cls).get(name, MISSING) is not value:
                type.__setattr__(cls, name, value)

    undo.add(restore)
    return restore


def put(cls: type, name: str, value: object, undo: Undo) -> None:
    """Set an attribute of a class whatever its metaclass says to that, or take it away."""
    before = vars(cls).get(name, MISSING)
    undo.add(_put, cls, name, before)
    _put(cls, name, value)


def _put(cls: type, name: str, value: object) -> None:
    if value is not MISSING:
        type.__setattr__(cls, name, value)
    elif name in vars(cls):
        type.__delattr__(cls, name)


def become(
    old: type,
    new: type,
    undo: Undo,
    kept: Collection[str] = (),
    bound: Collection[str] | None = None,
) -> None:
    """Make a class what another one is, which nobody must use afterwards.

    Methods stay the functions that they are and get the new bodies. Attributes in `kept` stay. Of
    those that the other does not have, special ones go and those in `bound`; without that, all.

    Raises `NotAppliedError` if instances of the two are laid out differently. Nothing has changed
    then.
    """
    check(old, new)
    set_kind(old, new, remember(old, undo))
    take(old, new, undo, kept, bound)


def set_kind(old: type, new: type, restore: Callable[[], None]) -> None:
    """Give a class the metaclass and the bases of another.

    Raises `NotAppliedError` if CPython does not allow it. It is `restore`d then.
    """
    kind, bases = _held(type(new)), tuple(map(_held, new.__bases__))
    try:
        if type(old) is not kind:
            old.__class__ = kind
        if old.__bases__ != bases:
            old.__bases__ = bases
    except TypeError as error:
        restore()
        raise NotAppliedError(f"its bases or its metaclass cannot change: {error}") from error
    _became[new] = ref(old)


def _held(cls: type) -> type:
    """Return the class that has become another, if one has, or that itself."""
    known = _became.get(cls)
    return (known and known()) or cls


def let_go(gone: ref[type], held: type) -> None:
    """Let a class go that another has become, which those are given who still know of it.

    That is so if a metaclass or a decorator has put it into a list or a dictionary.
    """
    # It is young, and refers to itself.
    gc.collect(1)
    if (cls := gone()) is None:
        return
    for holder in gc.get_referrers(cls):
        _exchange(holder, cls, held)
    del cls, holder
    gc.collect()  # it is not young any more


def _exchange(holder: Any, cls: type, held: type) -> None:
    if type(holder) is list:
        is_known = any(it is held for it in holder)
        holder[:] = [held if it is cls else it for it in holder if it is not cls or not is_known]
    elif type(holder) is set:
        holder.discard(cls)
        holder.add(held)
    elif type(holder) is dict and not _is_namespace(holder, cls):
        for key, value in [*holder.items()]:
            if value is cls:
                holder[key] = held
            if key is cls:
                holder.setdefault(held, holder.pop(key))
    elif getattr(holder, "__forward_value__", None) is cls:
        holder.__forward_value__ = held  # an annotation that was a text


def take(
    old: type,
    new: type,
    undo: Undo,
    kept: Collection[str] = (),
    bound: Collection[str] | None = None,
    skipped: Collection[str] = (),
) -> None:
    """Give a class the attributes of another, as `become` does, but for those that are skipped.

    The caller remembers what it was.
    """
    lead(new, old)
    own = {name for cls in (old, new) for name in vars(cls) if is_layout(cls, name)}
    skipped = {*_KEPT, *own, *skipped, *(name for name in kept if name in vars(old))}
    for name in vars(old).keys() - vars(new).keys() - skipped:
        if bound is None or name in bound or name.startswith("__"):
            type.__delattr__(old, name)
    bodies: dict[int, tuple[FunctionType, FunctionType]] = {}
    for name, value in [*vars(new).items()]:
        before = vars(old).get(name, MISSING)
        if name in skipped or before is value:
            continue
        pairs = None if name in _ANNOTATE else _pairs(before, value, f"{old.__qualname__}.{name}")
        if pairs is not None and all(bodies.get(id(a), (a, b))[1] is b for a, b in pairs):
            bodies.update((id(pair[0]), pair) for pair in pairs)
            continue
        type.__setattr__(old, name, value)
        notify = getattr(type(value), "__set_name__", None)
        if notify is not None:
            notify(value, old, name)
    give(bodies.values(), undo)
    if old.__qualname__ != new.__qualname__:
        before, old.__qualname__ = old.__qualname__, new.__qualname__
        undo.add(setattr, old, "__qualname__", before)


def give(pairs: Collection[tuple[FunctionType, FunctionType]], undo: Undo) -> None:
    """Make functions what others are, with their attributes."""
    bodies = Bodies(undo)
    bodies.give(pairs)
    for function, source in pairs:
        bodies.take_attributes(function, source)
        if function.__doc__ != source.__doc__:
            bodies.set(function, "__doc__", source.__doc__)


def lead(new: type, old: type) -> None:
    """Let `super()` and `__class__` in methods of a class mean another."""
    found = [it for value in [*vars(new).values()] for it in functions_in(value)]
    # Since 3.14 those that make annotations refer to it as well.
    makers = [getattr(it, "__annotate__", None) for it in found]
    for function in (*found, *makers):
        if isinstance(function, FunctionType):
            names = function.__code__.co_freevars
            for name, cell in zip(names, function.__closure__ or (), strict=True):
                content = content_of(cell)
                if name == "__class__" and content is new:
                    cell.cell_contents = old
                elif name == "__classdict__" and _is_namespace(content, new):
                    cell.cell_contents = vars(old)


def subclasses(cls: type) -> list[type]:
    """Return all subclasses of a class, each after its own bases."""
    found, left = dict[type, None](), [cls]
    while left:
        known: list[type] = type.__subclasses__(left.pop())
        for inner in known:
            if inner not in found:
                found[inner] = None
                left.append(inner)
    return sorted(found, key=lambda it: len(it.__mro__))


def is_layout(cls: type, name: str) -> bool:
    """Return whether an attribute reaches into instances: a slot, `__dict__` or `__weakref__`."""
    value = vars(cls)[name]
    own = isinstance(value, (MemberDescriptorType, GetSetDescriptorType))
    return own and value.__objclass__ is cls


def slots_of(cls: type) -> dict[str, object]:
    """Return what a class has for its slots: one descriptor each, and `__slots__`."""
    return {
        name: value
        for name, value in vars(cls).items()
        if name == "__slots__" or _is_slot(cls, name)
    }


def check(old: type, new: type) -> None:
    """Raise `NotAppliedError` if instances of two classes are laid out differently."""
    slots = [{name for name in vars(cls) if _is_slot(cls, name)} for cls in (old, new)]
    sizes = [[getattr(cls, name) for name in _SIZES] for cls in (old, new)]
    if slots[0] != slots[1]:
        raise NotAppliedError("its slots changed")
    if sizes[0] != sizes[1]:
        raise NotAppliedError("its instances are laid out in another way")
    fields = [getattr(cls, "_fields", ()) for cls in (old, new)]
    if issubclass(old, tuple) and fields[0] != fields[1]:
        raise NotAppliedError("its fields changed")


def _is_slot(cls: type, name: str) -> bool:
    return is_layout(cls, name) and isinstance(vars(cls)[name], MemberDescriptorType)


def _pairs(
    before: object, after: object, qualname: str
) -> list[tuple[FunctionType, FunctionType]] | None:
    """Pair the functions of an attribute with those of its successor, or return None."""
    if type(before) is not type(after):
        return None
    if isinstance(before, FunctionType) and isinstance(after, FunctionType):
        is_method = before.__qualname__ == after.__qualname__ == qualname
        return [(before, after)] if is_method else None
    pairs = []
    for old, new in zip(_parts(before), _parts(after), strict=True):
        if old is None and new is None:
            continue
        inner = _pairs(old, new, qualname)
        if inner is None:
            return None
        pairs += inner
    return pairs or None


def _parts(value: Any) -> Iterator[object]:
    if type(value) in (staticmethod, classmethod):
        yield value.__func__
    elif type(value) is property:
        yield from (value.fget, value.fset, value.fdel)
    elif type(value) is functools.cached_property:
        yield value.func


def _is_namespace(content: object, cls: type) -> bool:
    """Return whether something is the dictionary of a class."""
    if type(content) is not dict or content.keys() != vars(cls).keys():
        return False
    return all(content[name] is value for name, value in vars(cls).items())
