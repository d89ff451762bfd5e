"""Compares a process with reloads with fresh ones, and tells what was to be expected."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from replays.subjects import EXPECTED, NOT_COMPARED, Subject
from replays.versions import wheel

# What a difference can be. Only the last one is wrong. "imported" is what a module has of another
# one, and "derived" what was computed of something and does not follow, since it can change.
REPORTED, IMPORTED, DERIVED, KNOWN, WRONG = "reported", "imported", "derived", "known", "wrong"


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# What dataclasses make of annotations.
_OF_FIELDS = (".__dataclass_fields__", ".__doc__")
_EVALUATED = ("[annotations]", "[defaults]")


@dataclasses.dataclass
class Difference:
    """Something that is other than in a fresh process."""

    kind: str
    version: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.version} {self.place}\n{self.text}"


class Comparison:
    """The versions of a package, as they are after reloads and as they should be."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        # Modules and names in them that reports had.
        self.left_out: list[tuple[str, str]] = []
        self.statements: dict[str, dict[str, ast.stmt]] = {}
        self.derived: set[str] = set()
        # Whether there are objects whose class is not the one that has its name now.
        self.is_split = False
        # What may be decorators, and does not do what it did.
        self.changed: set[str] = set()

    def differences(
        self, version: str, now: dict[str, Any], fresh: dict[str, Any]
    ) -> Iterator[Difference]:
        """Iterate over what differs in one version. They have to come in their order."""
        before, self.statements = self.statements, _statements(self.subject, version)
        self.changed.update(_definitions_in_changed(before, self.statements))
        reload = now["reload"]
        for which in (reload, reload.get("again", {})):
            for file, names, why in which.get("left_out", ()):
                self.is_split |= re.search(r"; [1-9]\d* live instances", why) is not None
                module = _module_of(file)
                self.left_out += [(module, name) for name in names.split(", ")]
            if which.get("error"):
                error = which["error"]
                is_known = any(known in error for known in EXPECTED)
                yield Difference(KNOWN if is_known else WRONG, version, "reload", error)
                return
        if again := reload.get("again", {}).get("changed"):
            yield Difference(WRONG, version, "reloaded again", "\n".join(again))
        for module in {*now["refused"]} ^ {*fresh["refused"]}:
            yield Difference(WRONG, version, "imports", module)
        for place, text in _unequal(now["structure"], fresh["structure"]):
            whole = place.partition(" ")[0]
            is_absent = (place in now["structure"]) != (place in fresh["structure"])
            known = now["structure"].get(whole)
            if is_absent and known is not None and known == fresh["structure"].get(whole):
                continue  # it is the same object, which is written down at another place
            if not any(place.endswith(it) for it in NOT_COMPARED):
                yield Difference(self.kind(place, text, before), version, place, text)
        for which in ("results", "held"):
            for place, text in _unequal(now[which], fresh["results"]):
                yield Difference(
                    self.of_results(f"{which} {text}"), version, f"{which} {place}", text
                )

    def of_results(self, text: str) -> str:
        if self.is_split:
            return REPORTED
        return KNOWN if any(known in text for known in EXPECTED) else WRONG

    def kind(self, place: str, text: str, before: dict[str, dict[str, ast.stmt]]) -> str:
        """Tell which difference it is."""
        module, _, rest = place.partition(":")
        name, _, _ = rest.partition(" ")
        if any(known in place for known in EXPECTED):
            return KNOWN
        for it, reported in self.left_out:
            if it == module and f"{name}.".startswith(f"{reported}."):
                return REPORTED
        is_of_annotations = any(name.endswith(it) for it in _OF_FIELDS) or "annotations" in place
        if (module, "annotations") in self.left_out and is_of_annotations:
            return REPORTED
        names = self.statements.get(module, {})
        outer = name.partition(".")[0]
        one, other = before.get(module, {}).get(outer), names.get(outer)
        if isinstance(one, ast.Assign) and other and ast.dump(one) == ast.dump(other):
            return DERIVED
        # What a decorator has made stays, although it would make something else now.
        if any(_decorators(names.get(it)) & self.changed for it in _prefixes(name)):
            return KNOWN
        statement = names.get(name, names.get("*"))
        what = place.partition(" ")[2]
        if isinstance(statement, ast.ImportFrom) or "<another " in text:
            return IMPORTED
        was = before.get(module, {}).get(name)
        if statement is not None and was is not None:
            # What is in a function may be annotated.
            if (module, "annotations") in self.left_out and ast.dump(was) == ast.dump(statement):
                return REPORTED
            is_equal = _evaluated(was, what) == _evaluated(statement, what)
            is_derived = place in self.derived or is_equal
            # Annotations and defaults are evaluated when a definition is executed.
            is_value = not isinstance(statement, _DEFINITIONS) or what in _EVALUATED
            if is_derived and is_value:
                self.derived.add(place)
                return DERIVED
        return WRONG


def _definitions_in_changed(
    before: dict[str, dict[str, ast.stmt]], after: dict[str, dict[str, ast.stmt]]
) -> Iterator[str]:
    """Iterate over the names of functions and classes in modules in which one is another."""
    for module, names in after.items():
        old = before.get(module)
        if old is not None:
            texts = [{name: ast.dump(it) for name, it in which.items()} for which in (old, names)]
            if texts[0] != texts[1]:
                yield from (name for name, it in names.items() if isinstance(it, _DEFINITIONS))


def _evaluated(statement: ast.stmt, what: str) -> list[str]:
    """Write a statement, or only its annotations if that is what it is about."""
    if what != "[annotations]" or not isinstance(statement, _DEFINITIONS):
        return [ast.dump(statement)]
    if isinstance(statement, ast.ClassDef):
        return [ast.dump(it) for it in statement.body if isinstance(it, ast.AnnAssign)]
    return [ast.dump(it) for it in (statement.args, statement.returns) if it is not None]


def _prefixes(name: str) -> Iterator[str]:
    """Iterate over a qualified name, and those of the classes around it."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _decorators(statement: ast.stmt | None) -> set[str]:
    """Return the names that stand in the decorators of a definition."""
    nodes = statement.decorator_list if isinstance(statement, _DEFINITIONS) else []
    inner = [it for node in nodes for it in ast.walk(node)]
    names = {it.id for it in inner if isinstance(it, ast.Name)}
    return names | {it.attr for it in inner if isinstance(it, ast.Attribute)}


def _unequal(now: dict[str, str], fresh: dict[str, str]) -> Iterator[tuple[str, str]]:
    for place in {**fresh, **now}:
        one, other = now.get(place, "absent"), fresh.get(place, "absent")
        if one != other:
            yield place, _shown(one, other)


def _shown(now: str, fresh: str) -> str:
    """Write two texts from where they differ."""
    matcher = difflib.SequenceMatcher(None, fresh[:4000], now[:4000], autojunk=False)
    start = max(next((i for tag, i, *_ in matcher.get_opcodes() if tag != "equal"), 0) - 40, 0)
    return f"      has {now[start : start + 200]}\n   should {fresh[start : start + 200]}"


def _module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _statements(subject: Subject, version: str) -> dict[str, dict[str, ast.stmt]]:
    """Return the statement that binds each name of each module, in a version."""
    found = {}
    with zipfile.ZipFile(wheel(subject.distribution, version)) as archive:
        for file in archive.namelist():
            if file.endswith(".py"):
                names: dict[str, ast.stmt] = {}
                _bind(ast.parse(archive.read(file)).body, "", names)
                found[_module_of(file)] = names
    return found


def _bind(body: list[ast.stmt], prefix: str, names: dict[str, ast.stmt]) -> None:
    for node in body:
        for it in _outside_of_definitions(node):
            if isinstance(it, ast.Name) and isinstance(it.ctx, ast.Store):
                names[prefix + it.id] = node
            elif isinstance(it, ast.alias):
                names[prefix + (it.asname or it.name)] = node
            elif isinstance(it, _DEFINITIONS):
                names[prefix + it.name] = it
            if isinstance(it, (ast.Import, ast.ImportFrom)):
                names.update({prefix + (alias.asname or alias.name): it for alias in it.names})
            if isinstance(it, ast.ClassDef):
                _bind(it.body, f"{prefix}{it.name}.", names)


def _outside_of_definitions(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, (*_DEFINITIONS, ast.ImportFrom)):
        for inner in ast.iter_child_nodes(node):
            yield from _outside_of_definitions(inner)
