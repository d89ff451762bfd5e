"""Writes down what the modules of a package are, so that two processes can be compared."""

from __future__ import annotations
import __future__

import functools
import hashlib
import inspect
import re
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# What each module has and the importer makes, and what the compiler leaves in a class.
NOT_SHOWN = frozenset(
    {
        *("__builtins__", "__cached__", "__file__", "__loader__", "__path__", "__spec__"),
        *("__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__"),
        *(
            "__annotate__",
            "__annotate_func__",
            "__annotations_cache__",
            "__conditional_annotations__",
        ),
        # Those of `abc` and `warnings`, which remember what was asked and said.
        *("_abc_impl", "__classdictcell__", "__warningregistry__"),
    }
)
_FUTURE_FLAGS = functools.reduce(
    int.__or__, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)
DEPTH = 4


def snapshot(package: str) -> dict[str, str]:
    """Return what there is in the modules of a package, by its place."""
    found: dict[str, str] = {}
    for name, module in sorted(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            found.update(_Module(module, package).parts())
    return found


class _Module:
    """A module that is written down."""

    def __init__(self, module: types.ModuleType, package: str) -> None:
        self.module = module
        self.package = package
        self.seen: set[int] = set()

    def parts(self) -> Iterator[tuple[str, str]]:
        """Iterate over what is in it, each by its place."""
        for name, value in sorted(vars(self.module).items()):
            if name not in NOT_SHOWN:
                yield from self.part(f"{self.module.__name__}:{name}", value)

    def part(self, place: str, value: Any) -> Iterator[tuple[str, str]]:
        """Iterate over what there is to say of a value."""
        inside = _function_inside(value)
        if isinstance(value, type):
            yield place, show(value)
            if value.__module__ == self.module.__name__ and id(value) not in self.seen:
                self.seen.add(id(value))
                yield from self.of_class(place, value)
        elif inside is not None:
            yield place, f"{type(value).__name__} {show(inside)}"
            if inside.__module__ == self.module.__name__ and id(value) not in self.seen:
                self.seen.add(id(value))
                yield from _of_function(place, inside)
            if isinstance(value, property):
                for which in ("fset", "fdel"):
                    yield from self.part(f"{place}.{which}", getattr(value, which))
        elif not isinstance(value, types.ModuleType):
            yield place, show(value)

    def of_class(self, place: str, cls: type) -> Iterator[tuple[str, str]]:
        """Iterate over what there is to say of a class."""
        yield f"{place} [bases]", show(cls.__bases__)
        yield f"{place} [mro]", show(cls.__mro__)
        yield f"{place} [abstract]", show(getattr(cls, "__abstractmethods__", None))
        yield f"{place} [annotations]", show(inspect.get_annotations(cls))
        for name, value in sorted(vars(cls).items()):
            if name not in NOT_SHOWN and name != "__annotations__":
                yield from self.part(f"{place}.{name}", value)


def _function_inside(value: Any) -> types.FunctionType | None:
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, functools._lru_cache_wrapper):
        value = value.__wrapped__
    if isinstance(value, functools.cached_property):
        value = value.func
    return value if isinstance(value, types.FunctionType) else None


def _of_function(place: str, function: types.FunctionType) -> Iterator[tuple[str, str]]:
    yield f"{place} [defaults]", show((function.__defaults__, function.__kwdefaults__))
    yield f"{place} [annotations]", show(function.__annotations__)
    yield f"{place} [names]", show((function.__name__, function.__qualname__))
    yield f"{place} [doc]", show(function.__doc__)
    yield f"{place} [attributes]", show(vars(function))
    if function.__code__.co_filename.startswith("<"):
        return  # a decorator of the class made it
    yield from _of_code(place, function.__code__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            content = cell.cell_contents
        except ValueError:
            continue
        yield f"{place} [captured {name}]", show(content)
        # A decorator has the function inside.
        if isinstance(content, types.FunctionType) and content.__module__ == function.__module__:
            yield from _of_code(f"{place} [in {name}]", content.__code__)


def _of_code(place: str, code: types.CodeType) -> Iterator[tuple[str, str]]:
    yield f"{place} [code]", _digest(_code(code))
    yield f"{place} [lines]", show([line for *_, line in code.co_lines()])
    if sys.version_info >= (3, 11):
        yield f"{place} [columns]", _digest(repr([*code.co_positions()]))


def _code(code: types.CodeType) -> str:
    """Write a code object, without lines."""
    constants = [
        f"({_code(it)})" if isinstance(it, types.CodeType) else show(it) for it in code.co_consts
    ]
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount
    # A function that has no annotations is the same with other imports from `__future__`.
    flags = code.co_flags & ~_FUTURE_FLAGS
    rest = flags, code.co_stacksize, code.co_name, Path(code.co_filename).name
    table = getattr(code, "co_exceptiontable", b"")
    return repr((code.co_code.hex(), constants, names, counts, rest, table))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def show(value: Any, depth: int = DEPTH) -> str:
    """Write a value so that it is the same in each process."""
    kind = type(value)
    if isinstance(value, (type, types.FunctionType)):
        return _by_name(value)
    if isinstance(value, types.ModuleType):
        return f"<module {value.__name__}>"
    if isinstance(value, types.CodeType):
        return f"<code {value.co_name} in line {value.co_firstlineno}>"
    if depth == 0:
        return f"<{kind.__qualname__}>"
    inner = functools.partial(show, depth=depth - 1)
    if kind in (list, tuple):
        return f"{kind.__name__}[{', '.join(map(inner, value))}]"
    if kind in (set, frozenset):
        return f"{kind.__name__}{{{', '.join(sorted(map(inner, value)))}}}"
    if isinstance(value, (dict, types.MappingProxyType)):
        return f"{kind.__name__}{_items(value, depth)}"
    if kind in (str, bytes) and len(value) > 200:
        return f"{value[:80]!r}… {_digest(repr(value))}"
    representation: object = kind.__repr__
    if representation is object.__repr__ and hasattr(value, "__dict__"):
        return f"<{_by_name(kind)} {_items(vars(value), depth)}>"
    try:
        return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
    except Exception as error:
        return f"<{kind.__qualname__}, whose repr raises {error!r}>"


def _items(value: Mapping[Any, Any], depth: int) -> str:
    items = [f"{show(key, depth - 1)}: {show(it, depth - 1)}" for key, it in value.items()]
    return f"{{{', '.join(items)}}}"


def _by_name(value: Any) -> str:
    """Write a function or a class, and whether it is that which has its name."""
    place = f"{value.__module__}.{value.__qualname__}"
    found: Any = sys.modules.get(value.__module__)
    for name in value.__qualname__.split("."):
        if found is None or name == "<locals>":
            return f"<{place}>"
        found = vars(found).get(name) if hasattr(found, "__dict__") else None
    is_that = found is value or _function_inside(found) is value
    return f"<{place}>" if is_that else f"<another {place}>"
