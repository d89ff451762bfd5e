"""Classes that a library makes of what is in their bodies, all at once: attrs, pydantic, tuples."""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Iterator
from types import GenericAlias, MethodType

from hotpatch._become import remember, subclasses
from hotpatch._scope import Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KINDS = (
    *("validators", "field_validators", "root_validators", "field_serializers"),
    *("model_serializers", "model_validators", "computed_fields"),
)


def is_model(cls: type) -> bool:
    """Return whether a class was made by attrs or pydantic."""
    return "__attrs_attrs__" in vars(cls) or "__pydantic_validator__" in vars(cls)


def is_record(cls: type) -> bool:
    """Return whether a class is a `NamedTuple` or a `TypedDict`."""
    names = vars(cls)
    is_tuple = issubclass(cls, tuple) and "_field_defaults" in names
    return is_tuple or ("__required_keys__" in names and "__total__" in names)


def follow(cls: Any, fresh: type, undo: Undo) -> list[tuple[type, str]]:
    """Let what was made of a model know what that is now, or say why it cannot.

    It has become `fresh`.
    """
    if "__attrs_attrs__" in vars(cls):
        why = "attributes of its base changed, and only its own statement makes them its own"
        return [(it, why) for it in subclasses(cls) if "__attrs_attrs__" in vars(it)]
    if "__pydantic_fields__" not in vars(cls):
        return []
    left_out = []
    changed: list[Any] = [cls]
    for field in cls.__pydantic_fields__.values():
        field.annotation = _exchanged(field.annotation, fresh, cls)
    for decorator in _decorators(cls.__pydantic_decorators__):
        if isinstance(decorator.func, MethodType) and decorator.func.__self__ is not cls:
            decorator.func = MethodType(decorator.func.__func__, cls)
    _rebuild(cls, undo, is_remembered=True)
    for model in subclasses(cls):
        if vars(model).get("__pydantic_generic_metadata__", {}).get("origin") is not None:
            left_out.append((model, "it was made of a generic model that has changed"))
        elif "__pydantic_fields__" in vars(model):
            remember(model, undo)
            _inherit(model)
            _rebuild(model, undo, is_remembered=True)
            changed.append(model)
    # Models that have such a model in a field have its rules in their own.
    models: list[Any] = subclasses(sys.modules["pydantic"].BaseModel)
    while changed:
        inner = changed.pop(0)
        for model in [*models]:
            if inner in _models_in(model) and model is not inner and model is not cls:
                models.remove(model)
                _rebuild(model, undo)
                changed.append(model)
    return left_out


def _rebuild(model: Any, undo: Undo, *, is_remembered: bool = False) -> None:
    if not is_remembered:
        remember(model, undo)
    model.model_rebuild(force=True, raise_errors=False, _types_namespace={})


def _inherit(model: Any) -> None:
    """Give a model the fields and validators of its bases as they are now."""
    own = vars(model)
    fields: dict[str, Any] = {}
    for base in reversed(model.__mro__[1:]):
        fields.update(vars(base).get("__pydantic_fields__", {}))
    annotations = getattr(model, "__annotations__", {}) if "__annotations__" in own else None
    if annotations is None:
        annotations = getattr(model, "__annotations__", {}) if sys.version_info >= (3, 14) else {}
    fields.update(
        {name: it for name, it in own["__pydantic_fields__"].items() if name in annotations}
    )
    model.__pydantic_fields__ = fields
    known = own["__pydantic_decorators__"]
    found = type(known).build(model)
    for kind in _KINDS:
        for name, decorator in getattr(known, kind, {}).items():
            if decorator.cls_var_name in own:
                getattr(found, kind)[name] = decorator
    model.__pydantic_decorators__ = found


def _decorators(known: Any) -> Iterator[Any]:
    for kind in _KINDS:
        yield from getattr(known, kind, {}).values()


def _models_in(model: Any) -> set[object]:
    """Return the classes that the fields of a model are about."""
    fields = vars(model).get("__pydantic_fields__", {}).values()
    return {it for field in fields for it in _parts(field.annotation)}


def _parts(annotation: Any) -> Iterator[object]:
    if isinstance(annotation, type):
        yield annotation
    for it in getattr(annotation, "__args__", ()):
        yield from _parts(it)


def _exchanged(annotation: Any, fresh: type, held: type) -> Any:
    """Return an annotation in which another class stands for one."""
    if annotation is fresh:
        return held
    if fresh not in _parts(annotation):
        return annotation
    parts = tuple(_exchanged(it, fresh, held) for it in annotation.__args__)
    if isinstance(annotation, GenericAlias):
        origin: Any = annotation.__origin__
        return GenericAlias(origin, parts)
    if hasattr(annotation, "copy_with"):
        return annotation.copy_with(parts)
    return functools.reduce(operator.or_, parts)
