"""The statement of a class: what stands in it, and what comes of executing it unseen."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Callable
from types import CodeType, ModuleType

from hotpatch._native import Statement
from hotpatch._scope import Scope
from hotpatch._units import node_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Decorators from there may be called again, since nothing but their class knows of it.
_KNOWN = frozenset({"attr", "attrs", "dataclasses", "enum", "typing", "typing_extensions"})


class ClassText:
    """The statement of a class in a scope. Making it changes nothing, and reads nothing yet."""

    def __init__(self, statement: Statement, scope: Scope, module: ModuleType) -> None:
        self._statement = statement
        self._scope = scope
        self._module = module
        self._node: ast.ClassDef | None = None

    def node(self) -> ast.ClassDef:
        """Return the syntax tree."""
        if self._node is None:
            _, parent = self._scope.place.parse(self._statement)
            node = parent.body[0]
            assert isinstance(node, ast.ClassDef)
            self._node = node
        return self._node

    def decorators(self) -> list[ast.expr]:
        """Return its decorators, from the outermost."""
        return self.node().decorator_list if self._statement.text.lstrip().startswith("@") else []

    def header_keywords(self) -> dict[str, str]:
        """Return what the keywords in its first line are."""
        return {it.arg or "**": ast.dump(it.value) for it in self.node().keywords}

    def keywords(self) -> dict[str, Any]:
        """Evaluate the keywords in its first line, but for the metaclass."""
        found: dict[str, Any] = {}
        for it in self.node().keywords:
            if it.arg is None:
                found.update(self.value(it.value))
            elif it.arg != "metaclass":
                found[it.arg] = self.value(it.value)
        return found

    def value(self, node: ast.expr) -> Any:
        """Evaluate an expression that stands in the first lines."""
        place = self._scope.place
        code = compile(
            ast.Expression(node), place.file, "eval", flags=place.flags, dont_inherit=True
        )
        return eval(code, *self._scope.names(self._module))

    def annotated(self) -> set[str]:
        """Return the names that are annotated in its body."""
        return {
            it.target.id
            for it in self.node().body
            if isinstance(it, ast.AnnAssign) and isinstance(it.target, ast.Name)
        }

    def names(self, statement: Statement) -> set[str]:
        """Return the names that a statement in its body, as it is or was, binds or annotates."""
        node = node_of(statement)
        names = set(statement.binds)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        return names

    def has_text(self, statements: list[Statement]) -> bool:
        """Return whether one of some statements is nothing but a text."""
        starts = ("'", '"', "r", "R", "u", "U")
        return any(not it.binds and it.text.lstrip().startswith(starts) for it in statements)

    def doc(self) -> str | None:
        """Return its doc string, as Python gives it to the class."""
        node = self.node()
        if ast.get_docstring(node, clean=False) is None:
            return None
        only = ast.ClassDef(name="C", bases=[], keywords=[], body=node.body[:1], decorator_list=[])
        if sys.version_info >= (3, 12):
            only.type_params = []
        tree = ast.Module([ast.copy_location(only, node)], [])
        names: dict[str, Any] = {"__name__": ""}
        exec(compile(tree, "", "exec", dont_inherit=True), names)
        doc: str | None = names["C"].__doc__
        return doc

    def is_known(self, decorator: ast.expr) -> bool:
        """Return whether a decorator may be called again."""
        function = self._function(decorator)
        module = str(getattr(function, "__module__", ""))
        return function is functools.total_ordering or module.partition(".")[0] in _KNOWN

    def is_dataclass(self, decorator: ast.expr) -> bool:
        """Return whether it is that of `dataclasses`."""
        module = sys.modules.get("dataclasses")
        return module is not None and self._function(decorator) is module.dataclass

    def makes_methods(self, decorator: ast.expr) -> bool:
        """Return whether it makes methods that depend on the others."""
        is_total = self._function(decorator) is functools.total_ordering
        return is_total or self.is_dataclass(decorator)

    def makes_slots(self) -> bool:
        """Return whether one of its decorators gives it slots."""
        return self._says("slots") is True

    def makes_keywords(self) -> bool:
        """Return whether all fields of the dataclass are for keywords only."""
        return self._says("kw_only") is True

    def _says(self, keyword: str) -> object:
        for decorator in self.decorators():
            for it in getattr(decorator, "keywords", ()):
                if it.arg == keyword and isinstance(it.value, ast.Constant):
                    return it.value.value
        return None

    def _function(self, decorator: ast.expr) -> object:
        node = decorator.func if isinstance(decorator, ast.Call) else decorator
        inner = node
        while isinstance(inner, ast.Attribute):
            inner = inner.value
        try:
            value = self.value(node) if isinstance(inner, ast.Name) else None
        except Exception:
            return None  # it will be raised where it is called
        while isinstance(value, functools.partial):
            value = value.func
        return value

    def execute(self, made: list[CodeType], is_wanted: Callable[[ast.expr], bool]) -> Any:
        """Execute the statement with some of its decorators, and return what it would bind."""
        tree, parent = self._scope.place.parse(self._statement)
        node = parent.body[0]
        assert isinstance(node, ast.ClassDef)
        pairs = zip(node.decorator_list, self.node().decorator_list, strict=True)
        node.decorator_list = [new for new, old in pairs if is_wanted(old)]
        place = self._scope.place
        code: CodeType = compile(tree, place.file, "exec", flags=place.flags, dont_inherit=True)
        made.append(code)
        return self._scope.results(code, self._module)[self._scope.key(node.name)]


def static_attributes(node: ast.ClassDef) -> set[str]:
    """Return the attributes of `self` that methods of a class assign, as its compiler does."""
    found, left = set[str](), list[ast.AST](node.body)
    while left:
        it = left.pop()
        if isinstance(it, ast.ClassDef):
            continue
        if isinstance(it, ast.AugAssign):
            left.append(it.value)
            continue
        match it:
            case ast.Attribute(ctx=ast.Store(), value=ast.Name(id="self")):
                found.add(it.attr)
        left += ast.iter_child_nodes(it)
    return found
