"""Compiles single statements of a file as they stand there, and compares code objects."""

from __future__ import annotations
import __future__

import ast
from collections import defaultdict
from collections.abc import Iterator
from types import CodeType

from hotpatch import _native
from hotpatch._native import Outline, Statement, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_FUTURE_FLAGS: int = sum(
    getattr(__future__, name).compiler_flag for name in __future__.all_feature_names
)


class Place:
    """Where statements stand: in a file, and in classes, from the outermost."""

    def __init__(
        self,
        file: str,
        flags: int = 0,
        headers: tuple[str, ...] = (),
        classes: tuple[str, ...] = (),
    ) -> None:
        self.file = file
        # What `from __future__ import` has switched on.
        self.flags = flags
        # The first lines of the classes, and their names.
        self.headers = headers
        self.classes = classes

    def inside(self, statement: Statement) -> Place:
        """Return the place of what is in a class."""
        assert statement.name is not None
        indent = _indent(statement.text)
        header = f"{indent}class {statement.name}{statement.type_params}:"
        return Place(
            self.file, self.flags, (*self.headers, header), (*self.classes, statement.name)
        )

    def key(self, name: str) -> str:
        """Return the name that a class has for a name in its text: private ones are mangled."""
        if name.startswith("__") and not name.endswith("__") and self.classes:
            owner = self.classes[-1].lstrip("_")
            return f"_{owner}{name}" if owner else name
        return name

    def compile(self, statement: Statement, text: str | None = None) -> CodeType:
        """Compile a statement, or other text in its place, as a module of its own.

        Raises `SyntaxError`, with the line in the file.
        """
        text = statement.text if text is None else text
        # A text that stands alone is no doc string if it is not the first.
        is_first = statement.is_doc or text.startswith("from __future__")
        above = () if is_first or statement.kind != "statement" else (f"{_indent(text)}pass",)
        whole, moved = self._whole(statement, text, above)
        if statement.imports:
            # CPython looks whether the module imports the `a` of `a.b()` (3.11).
            whole += f"if 0: import {', '.join(statement.imports)}\n"
        if "class " in text and moved > 0:
            # Since 3.13 the line of a class is a constant, which does not move.
            whole, moved = "\n" * moved + whole, 0
        source: str | ast.Module = whole
        try:
            if moved < 0:
                # What is around it would stand above the first line.
                source, moved = _moved(ast.parse(whole, self.file), moved), 0
            code: CodeType = compile(source, self.file, "exec", flags=self.flags, dont_inherit=True)
        except SyntaxError as error:
            error.lineno = error.lineno and error.lineno + moved
            if error.end_lineno is not None:
                error.end_lineno += moved
            raise
        _native.move_lines(list(codes_in(code)), moved)
        return code

    def parse(self, statement: Statement) -> tuple[ast.Module, ast.Module | ast.ClassDef | ast.If]:
        """Parse a statement as a module of its own, and return what it is directly in as well."""
        whole, moved = self._whole(statement, statement.text)
        tree = _moved(ast.parse(whole, self.file), moved)
        parent: ast.Module | ast.ClassDef | ast.If = tree
        for _ in self._around(statement.text):
            inner = parent.body[0]
            assert isinstance(inner, (ast.ClassDef, ast.If))
            parent = inner
        return tree, parent

    def _around(self, text: str) -> tuple[str, ...]:
        """Return the lines that a text needs above it to stand where it does."""
        first = self.headers[0] if self.headers else text
        return ("if True:",) * bool(_indent(first)) + self.headers

    def _whole(
        self, statement: Statement, text: str, above: tuple[str, ...] = ()
    ) -> tuple[str, int]:
        """Return a text with what is around it, and by how many lines that has to be moved."""
        around = (*self._around(text.lstrip("\n")), *above)
        return "\n".join((*around, text)) + "\n", statement.lines[0] - 1 - len(around)

    def body(self, code: CodeType) -> CodeType:
        """Return the code of the innermost class in what `compile` made."""
        for name in self.classes:
            code = child(code, name)
        return code


def _moved(tree: ast.Module, lines: int) -> ast.Module:
    """Move a tree, but nothing above the first line."""
    ast.increment_lineno(tree, lines)
    for node in ast.walk(tree) if lines < 0 else ():
        it: Any = node
        if getattr(it, "lineno", 1) < 1:
            # It must not end before it begins.
            it.lineno, it.col_offset, it.end_lineno = 1, 0, max(it.end_lineno, 1)
    return tree


def _indent(text: str) -> str:
    return text[: len(text) - len(text.lstrip(" \t\f"))]


def node_of(statement: Statement) -> ast.stmt:
    """Parse a statement that is neither a definition nor a block, wherever it stood."""
    return ast.parse(statement.text.lstrip()).body[0]


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """Iterate over a code object and all in it, each once."""
    seen, left = {id(code)}, [code]
    while left:
        code = left.pop()
        yield code
        for inner in children(code):
            if id(inner) not in seen:
                seen.add(id(inner))
                left.append(inner)


def children(code: CodeType) -> list[CodeType]:
    """Return the code objects that are directly in another."""
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def child(code: CodeType, name: str) -> CodeType:
    """Return the code of the definition of this name that is directly in another code object.

    Type parameters have a scope of their own around the definition (3.12).
    """
    for inner in children(code):
        if inner.co_name == name:
            return inner
        if inner.co_name == f"<generic parameters of {name}>":
            return child(inner, name)
    raise LookupError(name)


def is_equal(one: CodeType, other: CodeType) -> bool:
    """Return whether two code objects do the same, whatever lines they are from."""
    return _without_lines(one) == _without_lines(other)


def _without_lines(code: CodeType) -> CodeType:
    constants = tuple(
        _without_lines(constant) if isinstance(constant, CodeType) else constant
        for constant in code.co_consts
    )
    table = "co_linetable"
    return code.replace(co_firstlineno=1, co_consts=constants, **{table: b""})  # type: ignore[arg-type]


def matched(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Pair code objects with what they became, those in them too.

    Of those with one name, such as lambdas, those that do the same come together, and then those of
    one place.
    """
    seen: set[int] = set()
    left = [(old, new)]
    while left:
        old, new = left.pop()
        if id(old) in seen:
            continue
        seen.add(id(old))
        yield old, new
        by_name: dict[str, tuple[list[CodeType], list[CodeType]]] = defaultdict(lambda: ([], []))
        for index, code in enumerate((old, new)):
            for inner in children(code):
                by_name[inner.co_name][index].append(inner)
        for before, after in by_name.values():
            for code in [*before]:
                partner = next((it for it in after if is_equal(code, it)), None)
                if partner is not None and len(before) > 1:
                    left.append((code, partner))
                    before.remove(code)
                    after.remove(partner)
            left.extend(zip(before, after, strict=False))


def future_flags(outline: Outline, steps: list[Step], file: str) -> int:
    """Return the flags that the first statements of a file set for all of it.

    Raises `SyntaxError` if others do so.
    """
    flags, is_start = 0, True
    if all(module != "__future__" for module, _ in outline.imports):
        return 0
    for new in (it.new for it in steps if it.new is not None):
        is_simple = new.kind == "statement" and new.contains("__future__")
        if is_simple and new.text.startswith("from __future__"):
            flags |= Place(file).compile(new).co_flags & _FUTURE_FLAGS
            if not is_start:
                why = "from __future__ imports must occur at the beginning of the file"
                raise SyntaxError(why, (file, new.lines[0], 1, new.text))
        else:
            is_start = is_start and new.is_doc
    return flags
