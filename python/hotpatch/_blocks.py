"""Runs single statements of blocks, as if nothing else were in them."""

from __future__ import annotations

import ast
from types import CodeType

from hotpatch._native import Statement
from hotpatch._units import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PURE = (
    *(ast.Name, ast.Attribute, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Tuple),
    *(ast.Subscript, ast.Slice, ast.expr_context, ast.cmpop, ast.boolop, ast.unaryop),
)
_PURE_CALLS = frozenset({"len", "isinstance", "hasattr"})


class NotAppliedError(Exception):
    """A statement cannot be run by itself. The message says why."""


def compiled(
    new: Statement,
    outermost: Statement,
    place: Place,
    names: tuple[dict[str, object], Mapping[str, object]],
) -> CodeType | None:
    """Compile a statement that is in blocks, with the handlers of those; None if it would not run.

    Tests are evaluated if that does nothing else. They see `names`, globals and locals.

    Raises `NotAppliedError`.
    """
    tree, parent = place.parse(outermost)
    around: list[ast.Try] = []
    node, last = parent.body[0], len(new.blocks) - 1
    for index, (_, _, suite) in enumerate(new.blocks):
        if isinstance(node, ast.If):
            suites = _suites(node)
            tests = [test for test, _ in suites[: suite + 1] if test is not None]
            if not all(_is_pure(test) for test in tests):
                raise NotAppliedError("the test of its block may do more than look")
            for number, test in enumerate(tests):
                expression = compile(ast.Expression(test), place.file, "eval", dont_inherit=True)
                if bool(eval(expression, *names)) != (number == suite):
                    return None
            body = suites[suite][1]
        elif isinstance(node, ast.Try) and suite == 0:
            around.append(node)
            body = node.body
        else:
            raise NotAppliedError("what is in such a block is not run again")
        line = new.lines[0] if index == last else new.blocks[index + 1][0]
        found = [it for it in body if _first_line(it) == line]
        if len(found) != 1:
            raise NotAppliedError("there are others in its line")
        node = found[0]
    for block in reversed(around):
        handled = ast.Try(body=[node], handlers=block.handlers, orelse=[], finalbody=[])
        node = ast.copy_location(handled, block)
    parent.body[:] = [node]
    if new.imports:  # see Place.compile
        tree.body += ast.parse(f"if 0: import {', '.join(new.imports)}").body
    code: CodeType = compile(tree, place.file, "exec", flags=place.flags, dont_inherit=True)
    return code


def _suites(node: ast.If) -> list[tuple[ast.expr | None, list[ast.stmt]]]:
    """Return the suites of an `if`, each with its test, `elif` and `else` included."""
    suites: list[tuple[ast.expr | None, list[ast.stmt]]] = [(node.test, node.body)]
    while len(node.orelse) == 1:
        inner = node.orelse[0]
        # That of an `elif` stands where the `if` does.
        if not isinstance(inner, ast.If) or inner.col_offset != node.col_offset:
            break
        node = inner
        suites.append((node.test, node.body))
    if node.orelse:
        suites.append((None, node.orelse))
    return suites


def _is_pure(test: ast.expr) -> bool:
    """Return whether evaluating a test only looks at something."""
    for node in ast.walk(test):
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.func.id not in _PURE_CALLS:
                return False
        elif not isinstance(node, _PURE):
            return False
    return True


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(it.lineno for it in decorators)])
