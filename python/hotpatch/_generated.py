"""What decorators of the standard library make of a class: the same again after an edit of it.

They are applied to the class object that is there, without what they made of it before.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Collection
from types import FunctionType
from weakref import ref

from hotpatch._become import become, give, let_go, remember, slots_of, subclasses
from hotpatch._blocks import NotAppliedError
from hotpatch._functions import code_of, functions_in
from hotpatch._scope import Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PARAMS = (
    *("init", "repr", "eq", "order", "unsafe_hash", "frozen"),
    *("match_args", "kw_only", "slots", "weakref_slot"),  # they are kept since 3.12
)
_ORDER = ("__lt__", "__le__", "__gt__", "__ge__")


def is_dataclass(cls: type) -> bool:
    """Return whether a class itself was made by `dataclasses.dataclass`, and by nothing else."""
    is_other = "__pydantic_validator__" in vars(cls)
    return "__dataclass_params__" in vars(cls) and not is_other


def is_total(cls: type) -> bool:
    """Return whether `functools.total_ordering` has completed a class."""
    return any(_is_of_functools(vars(cls).get(name)) for name in _ORDER)


def strip_order(cls: type) -> None:
    """Take away what `functools.total_ordering` has added."""
    for name in _ORDER:
        if _is_of_functools(vars(cls).get(name)):
            type.__delattr__(cls, name)


class Dataclass:
    """A dataclass that is processed again.

    If something of it has changed already: `changed` are its fields whose statements were, and
    `slots` and `explicit` what `slots_of` and `find_explicit` found before.
    """

    def __init__(
        self,
        cls: type,
        undo: Undo,
        changed: Collection[str] = (),
        slots: dict[str, object] | None = None,
        explicit: Collection[str] | None = None,
    ) -> None:
        self._cls: Any = cls
        self._undo = undo
        self._changed = changed
        # Those that the class does not inherit.
        self._annotations = _annotations(cls)
        fields = vars(cls)["__dataclass_fields__"]
        self._fields = {name: fields[name] for name in self._annotations if name in fields}
        self._params = _parameters(cls)
        self._explicit = find_explicit(cls) if explicit is None else explicit
        self._slots = slots_of(cls) if slots is None else slots
        self._made: dict[str, FunctionType] = {}

    def again(self, decorator: Callable[[type], object] | None = None) -> None:
        """Process it, with its decorator if that is at hand, else with the same parameters."""
        self.strip()
        self.apply(decorator or self._same)

    def strip(self) -> None:
        """Make it what it was before it was a dataclass."""
        cls = self._cls
        remember(cls, self._undo)
        attributes = dict(vars(cls))
        for name, value in attributes.items():
            if isinstance(value, FunctionType) and _is_made(cls, name, value):
                self._made[name] = value
                type.__delattr__(cls, name)
        if "__eq__" in self._made and attributes.get("__hash__", 0) is None:
            type.__delattr__(cls, "__hash__")
        if attributes.get("__match_args__") == _match_args(attributes["__dataclass_fields__"]):
            type.__delattr__(cls, "__match_args__")
        doc = attributes.get("__doc__")
        if isinstance(doc, str) and doc.startswith(f"{cls.__name__}(") and doc.endswith(")"):
            cls.__doc__ = None
        module = sys.modules["dataclasses"]
        for name, value in attributes.items():
            is_its = name in ("__replace__", "__getstate__", "__setstate__")
            if is_its and getattr(value, "__module__", None) == module.__name__:
                type.__delattr__(cls, name)
        for name in ("__dataclass_fields__", "__dataclass_params__"):
            type.__delattr__(cls, name)
        for name, value in self._slots.items():
            if (name == "__slots__" or name in self._fields) and vars(cls).get(name) is value:
                type.__delattr__(cls, name)
        self._put_fields()

    def apply(self, decorator: Callable[[type], object]) -> None:
        """Make it a dataclass again."""
        cls = self._cls
        result = decorator(cls)
        # With slots it makes another class, and changes this one no further.
        for name, value in self._slots.items():
            type.__setattr__(cls, name, value)
        if isinstance(result, type) and result is not cls:
            become(cls, result, self._undo)
            gone = ref(result)
            del result
            let_go(gone, cls)
        keep_methods(cls, self._made, self._undo)

    def _same(self, cls: type) -> object:
        dataclass: Any = sys.modules["dataclasses"].dataclass
        return dataclass(**self._params)(cls)

    def _put_fields(self) -> None:
        """Let the class have the `field(...)` that its text says where there is one."""
        module: Any = sys.modules["dataclasses"]
        cls = self._cls
        for name in self._annotations:
            field = self._fields.get(name)
            if field is None or name in self._changed:
                continue
            new = copy.copy(field)
            if name not in self._explicit:
                new.kw_only = module.MISSING
            if name in self._slots or not _is_plain(new, module):
                type.__setattr__(cls, name, new)


def find_explicit(cls: Any, kw_only: bool | None = None) -> set[str]:
    """Return the fields of a dataclass of which their text says whether they are for keywords only.

    `kw_only` says whether the decorator makes all fields such; None if nobody knows.
    """
    module: Any = sys.modules["dataclasses"]
    if kw_only is None:
        kw_only = _parameters(cls)["kw_only"]
    fields = vars(cls)["__dataclass_fields__"]
    found = set()
    for name, annotation in _annotations(cls).items():
        kw_only = kw_only or _is_marker(annotation)
        field = fields.get(name)
        if field is not None and field.kw_only not in (module.MISSING, kw_only):
            found.add(name)
    return found


def _parameters(cls: Any) -> dict[str, bool]:
    """Return the parameters that the decorator of a dataclass had."""
    given, fields = vars(cls)["__dataclass_params__"], vars(cls)["__dataclass_fields__"]
    found = {name: getattr(given, name) for name in _PARAMS if hasattr(given, name)}
    if "kw_only" not in found:  # before 3.12
        annotations = _annotations(cls)
        its = [fields[name].kw_only for name in annotations if name in fields]
        marked = any(_is_marker(it) for it in annotations.values())
        found["kw_only"] = bool(its) and all(its) and not marked
        found["match_args"] = "__match_args__" in vars(cls)
        found["slots"] = "__slots__" in vars(cls)
        if found["slots"] and "__weakref__" in vars(cls)["__slots__"]:
            found["weakref_slot"] = True
    return found


def keep_methods(cls: type, made: dict[str, FunctionType], undo: Undo) -> None:
    """Let generated methods stay the functions that they were, and do what the new ones do."""
    pairs = []
    for name, function in made.items():
        new = vars(cls).get(name)
        if isinstance(new, FunctionType) and new is not function and _is_made(cls, name, new):
            pairs.append((function, new))
            type.__setattr__(cls, name, function)
    give(pairs, undo)


def follow(cls: type, undo: Undo) -> list[tuple[type, str]]:
    """Process the dataclasses that inherit from a class again, and say which cannot be, and why."""
    left_out = []
    for inner in filter(is_dataclass, subclasses(cls)):
        restore = remember(inner, undo)
        try:
            Dataclass(inner, undo).again()
        except NotAppliedError:
            restore()
            if _is_bound(inner):
                why = "it would get other slots, since fields of its base changed"
                left_out.append((inner, why))
        except Exception:
            restore()
            if _is_bound(inner):
                raise
    return left_out


def _is_bound(cls: type) -> bool:
    """Return whether a class has its name still, or nobody can tell; otherwise it is left over."""
    found: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        if name == "<locals>":
            return True
        found = getattr(found, name, None)
    return found is cls


def _is_made(cls: type, name: str, function: FunctionType) -> bool:
    if function.__qualname__ != f"{cls.__qualname__}.{name}":
        return False
    codes = [code_of(it) for it in functions_in(function)]
    return any(it.co_filename == "<string>" and it.co_name == name for it in codes)


def _is_of_functools(value: object) -> bool:
    return isinstance(value, FunctionType) and value.__module__ == "functools"


def _is_plain(field: Any, module: Any) -> bool:
    """Return whether a field is an annotation, with or without a default."""
    return (
        field.default_factory is module.MISSING
        and (field.init, field.repr, field.hash, field.compare) == (True, True, None, True)
        and not field.metadata
        and getattr(field, "kw_only", module.MISSING) is module.MISSING
        and getattr(field, "doc", None) is None
    )


def _match_args(fields: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        name
        for name, field in fields.items()
        if field.init and not field.kw_only and field._field_type.name != "_FIELD_CLASSVAR"
    )


def _annotations(cls: type) -> dict[str, Any]:
    if sys.version_info < (3, 14):
        return dict(vars(cls).get("__annotations__", {}))
    annotationlib = sys.modules["annotationlib"]
    return dict(annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF))


def _is_marker(annotation: object) -> bool:
    """Return whether it says that fields after it are for keywords only."""
    if isinstance(annotation, str):
        return annotation.rpartition(".")[2] == "KW_ONLY"
    module: Any = sys.modules["dataclasses"]
    return annotation is module.KW_ONLY
