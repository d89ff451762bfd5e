"""What became of a module if nobody knows the text that it was made of.

That is so if its file was edited before anybody looked. Functions are compared with what the text
would make of them, and names that are missing are new. Whether another statement was edited nobody
can tell.
"""

from __future__ import annotations

from collections import Counter
from types import CodeType, FunctionType, ModuleType, SimpleNamespace

from hotpatch._functions import code_of, defaults_of, functions_in
from hotpatch._native import Statement, Step, below
from hotpatch._scope import OF_ANNOTATIONS
from hotpatch._units import Place, child, codes_in, is_equal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import cast
else:

    def cast(_: object, value: object) -> object:
        """Return the value, as that of `typing` does."""
        return value


_COPIED = (
    *("kind", "name", "text", "undecorated", "binds", "blocks", "is_main", "is_doc"),
    *("decorators", "annotations", "header", "type_params"),
)


def steps(owner: ModuleType, same: list[Step], codes: list[CodeType], place: Place) -> list[Step]:
    """Return what became of the statements of a module. `same` are those of the new text."""
    return _steps(owner, same, {id(code) for code in codes}, place)


def _steps(owner: ModuleType | type, same: list[Step], codes: set[int], place: Place) -> list[Step]:
    seen: Counter[str] = Counter()
    found, bound = [], set[str]()
    for step in same:
        new = step.new
        assert new is not None
        bound.update(map(place.key, new.binds))
        if new.kind == "class":
            cls = vars(owner).get(place.key(new.name or ""))
            if isinstance(cls, type):
                inner = _steps(cls, step.inner, codes, place.inside(new))
                found.append(_made("edited", _copy(new), new, inner))
            else:
                found.append(_made("added", None, new))
        elif new.kind == "function":
            assert new.name is not None
            live = _live(owner, place.key(new.name), new.name, codes)[seen[new.name] :]
            seen[new.name] += 1
            found.append(_function(live[0], new, place) if live else _made("added", None, new))
        elif new.kind == "statement" and not _is_there(owner, place, new):
            found.append(_made("added", None, new))
    # Those that make annotations belong to no statement, and cannot be deleted (3.14).
    for name in vars(owner).keys() - {*bound, *OF_ANNOTATIONS}:
        for function in _live(owner, name, name, codes):
            lines = _lines(code_of(function))
            gone = SimpleNamespace(
                kind="function",
                name=name,
                lines=lines,
                binds=[name],
                blocks=[],
                is_main=False,
                is_doc=False,
            )
            found.append(_made("removed", gone, None))
    return found


def _is_there(owner: ModuleType | type, place: Place, statement: Statement) -> bool:
    """Return whether a name is there that a statement binds, or whether it binds none."""
    names = {*map(place.key, statement.binds)}
    return not names or not names.isdisjoint(vars(owner))


def _live(owner: ModuleType | type, key: str, name: str, codes: set[int]) -> list[FunctionType]:
    """Return the functions of this name that came of the file; `key` is what the owner calls it."""
    functions = functions_in(vars(owner).get(key))
    return [it for it in functions if it.__name__ == name and id(code_of(it)) in codes]


def _function(function: FunctionType, new: Statement, place: Place) -> Step:
    base = below(function)
    old = _copy(new)
    old.lines = _lines(base.__code__)
    # Those that it has stay, whatever they were.
    had = defaults_of(base).keys()
    old.defaults = {name: value for name, value in new.defaults.items() if name in had}
    code = child(place.body(place.compile(new)), new.name or "")
    is_same = old.defaults.keys() == new.defaults.keys() and is_equal(base.__code__, code)
    return _made("rewritten" if is_same else "edited", old, new)


def _copy(statement: Statement) -> SimpleNamespace:
    parts = {name: getattr(statement, name) for name in _COPIED}
    return SimpleNamespace(
        **parts, lines=statement.lines, defaults=statement.defaults, contains=statement.contains
    )


def _made(fate: str, old: object, new: Statement | None, inner: list[Step] | None = None) -> Step:
    return cast("Step", SimpleNamespace(fate=fate, old=old, new=new, inner=inner or []))


def _lines(code: CodeType) -> tuple[int, int]:
    """Return the first line and the last of a definition."""
    lines = [line for it in codes_in(code) for _, _, line in it.co_lines() if line is not None]
    return code.co_firstlineno, max([*lines, code.co_firstlineno])
