"""Statements of which nothing but the lambdas in them changed: those change in place."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from types import CodeType, ModuleType, SimpleNamespace

from hotpatch._native import Statement, Step
from hotpatch._scope import Scope
from hotpatch._units import children, matched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import cast
else:

    def cast(_: object, value: object) -> object:
        """Return the value, as that of `typing` does."""
        return value


def joined(
    steps: list[Step], scope: Scope, live: Callable[[Statement], Iterable[CodeType]]
) -> list[Step]:
    """Return the steps of a scope, in which such a statement is edited, not removed and added.

    That is so if the lambdas are still there. What they were only needed for has to be done again.
    `live` returns the code objects that came of a statement.
    """
    gone = [it for step in steps if step.new is None and (it := step.old) is not None]
    gone = [it for it in gone if it.kind == "statement" and "lambda" in it.text]
    if not gone or not _is_plain(scope):
        return steps
    found: list[Step] = []
    taken: list[Statement] = []
    for step in steps:
        new = step.new
        if step.old is None and new is not None and "lambda" in new.text and not new.blocks:
            for old in gone:
                if old in taken or not _is_alike(old, new, scope):
                    continue
                if lambda_pairs(old, new, scope, live(old))[1]:
                    taken.append(old)
                    made = SimpleNamespace(fate="edited", old=old, new=new, inner=[])
                    step = cast("Step", made)
                    break
        found.append(step)
    return [step for step in found if step.new is not None or step.old not in taken]


def lambda_pairs(
    old: Statement, new: Statement, scope: Scope, live: Iterable[CodeType]
) -> tuple[CodeType, list[tuple[CodeType, CodeType]]]:
    """Pair the code objects of the lambdas in a statement with what they became.

    Returns the new code of the whole as well, and no pairs if one of the lambdas is gone.
    """
    place = scope.place
    whole = place.compile(new)
    before, after = place.body(place.compile(old)), place.body(whole)
    tops = [it for it in children(before) if it.co_name == "<lambda>"]
    become = {id(one): other for one, other in matched(before, after)}
    pairs: list[tuple[CodeType, CodeType]] = []
    left = [*live]
    for top in tops:
        found = [it for it in left if it == top]
        if not found:
            return whole, []
        pairs += matched(found[0], become[id(top)])
        left.remove(found[0])
    return whole, pairs


def _is_plain(scope: Scope) -> bool:
    """Return whether nobody but the module or the class itself has made something of its names."""
    owner = scope.owner
    if isinstance(owner, ModuleType):
        return True
    makers = ("__dataclass_fields__", "__attrs_attrs__")
    return type(owner) is type and not any(hasattr(owner, it) for it in makers)


def _is_alike(old: Statement, new: Statement, scope: Scope) -> bool:
    """Return whether two statements are the same but for what is in their lambdas."""
    if old.binds != new.binds or old.blocks:
        return False
    one, other = (_without_lambdas(it, scope) for it in (old, new))
    return one == other


def _without_lambdas(statement: Statement, scope: Scope) -> str:
    _, parent = scope.place.parse(statement)
    for node in ast.walk(parent.body[0]):
        if isinstance(node, ast.Lambda):
            node.body = ast.Constant(None)
            for it in ast.walk(node.args):
                if isinstance(it, ast.arg):
                    it.arg = ""
    return ast.dump(parent.body[0])
