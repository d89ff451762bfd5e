"""The ways of replacing a function, each as the statements that apply it and undo it.

They run where these names are known: `owner` and `name`, the module or class and the attribute in
which the function is; `target`, that function; `replacement`, a function to run in its place;
`answer`, what the replacement returns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from benches.timing import UnavailableError


@dataclass(frozen=True)
class Peer:
    """One way of replacing a function. `together` applies and undoes, where that is shorter."""

    name: str
    setup: str
    apply: str
    undo: str
    together: str = ""

    def scope(self, **names: object) -> dict[str, Any]:
        """Return a namespace with these names, in which the statements can run."""
        # As in a module: hotpatch notes the name of the module that makes a patch.
        scope: dict[str, Any] = {"__name__": "caller", **names}
        try:
            exec(self.setup, scope)
        except ImportError as error:
            raise UnavailableError("not installed") from error
        return scope

    def run(self, statement: str, scope: dict[str, Any]) -> None:
        """Run a statement of the peer; what it raises is the peer's failure, not the bench's."""
        try:
            exec(statement, scope)
        except Exception as error:
            raise UnavailableError(f"fails: {type(error).__name__}") from error


HOTPATCH = Peer(
    "`hotpatch`",
    setup="from hotpatch import hotpatch",
    apply="patch = hotpatch(replacement, target)",
    undo="patch.undo()",
    together="hotpatch(replacement, target).undo()",
)
HOTPATCH_WITH = Peer(
    "`with hotpatch(…)`",
    setup=HOTPATCH.setup,
    apply=HOTPATCH.apply,
    undo=HOTPATCH.undo,
    together="with hotpatch(replacement, target): pass",
)
MOCK_FUNCTION = Peer(
    "`mock.patch.object`, new=function",
    setup="from unittest import mock",
    apply="patcher = mock.patch.object(owner, name, replacement); patcher.start()",
    undo="patcher.stop()",
    together="with mock.patch.object(owner, name, replacement): pass",
)
MAGIC_MOCK = Peer(
    "`mock.patch.object`, a `MagicMock`",
    setup=MOCK_FUNCTION.setup,
    apply="patcher = mock.patch.object(owner, name, return_value=answer); patcher.start()",
    undo="patcher.stop()",
)
AUTOSPEC = Peer(
    "`mock.patch.object`, autospec",
    setup=MOCK_FUNCTION.setup,
    apply="patcher = mock.patch.object(owner, name, autospec=True, return_value=answer)\n"
    "patcher.start()",
    undo="patcher.stop()",
)
MONKEYPATCH = Peer(
    "pytest's `monkeypatch.setattr`",
    setup="import pytest; monkeypatch = pytest.MonkeyPatch()",
    apply="monkeypatch.setattr(owner, name, replacement)",
    undo="monkeypatch.undo()",
)
WRAPT = Peer(
    "`wrapt.wrap_function_wrapper`",
    setup="""
import wrapt
def wrapper(wrapped, instance, args, kwargs):
    if instance is None:
        return replacement(*args, **kwargs)
    return replacement(instance, *args, **kwargs)
""",
    apply="wrapt.wrap_function_wrapper(owner, name, wrapper)",
    undo="setattr(owner, name, target)",
)
DECORATOR = Peer(
    "a `functools.wraps` decorator",
    setup="""
from functools import wraps
def decorate(function):
    @wraps(function)
    def wrapper(*args, **kwargs):
        return replacement(*args, **kwargs)
    return wrapper
""",
    apply="setattr(owner, name, decorate(target))",
    undo="setattr(owner, name, target)",
)
# The patch turns the body of `add` in subject.py into that of the replacement there.
DIFF = """
head = "@@ -1,2 +1,2 @@\\n def add(a: int, b: int) -> int:\\n"
diff = head + "-    return a + b\\n+    return b + a\\n"
"""
PATCHY = Peer(
    "`patchy.patch`, a one-line diff",
    setup=f"import patchy\n{DIFF}",
    apply="patchy.patch(target, diff)",
    undo="patchy.unpatch(target, diff)",
)
HOTPATCH_DIFF = Peer(
    "`hotpatch`, the same diff",
    setup=f"{HOTPATCH.setup}\n{DIFF}",
    apply="patch = hotpatch(diff, target)",
    undo=HOTPATCH.undo,
)
HOTPATCH_TEXT = Peer(
    "`hotpatch`, a source text",
    setup=HOTPATCH.setup,
    apply="patch = hotpatch('def add(a: int, b: int) -> int: return b + a', target)",
    undo=HOTPATCH.undo,
)
TRAMPOLINE = Peer(
    "the trampoline of 2018",
    setup="from benches.peers import jump_to",
    apply="code = jump_to(replacement, target)",
    undo="target.__code__ = code",
)
ASSIGN_CODE = Peer(
    "assigning `__code__`",
    setup="",
    apply="code = target.__code__; target.__code__ = replacement.__code__",
    undo="target.__code__ = code",
)
ASSIGN_NAME = Peer(
    "assigning the name, seen by no alias",
    setup="",
    apply="setattr(owner, name, replacement)",
    undo="setattr(owner, name, target)",
)


def jump_to(replacement: Callable[..., Any], target: FunctionType) -> CodeType:
    """Patch as the hotpatch package of 2018 did; return the code to put back.

    It gave the target the code of a function that passes its arguments on.
    """
    code = target.__code__
    trampoline = trampoline_code(len(code.co_freevars))
    constants = tuple(
        replacement if constant == "the replacement" else constant
        for constant in trampoline.co_consts
    )
    target.__code__ = trampoline.replace(co_consts=constants)
    return code


@cache
def trampoline_code(free_variables: int) -> CodeType:
    """Compile a trampoline with so many free variables, as `__code__` must have the target's.

    In 2018 they were put into the finished code object.
    Since CPython 3.11 that moves the other variables' slots, so here they are compiled in.
    """
    names = ", ".join(f"free_{number}" for number in range(free_variables))
    source = f"""
def outer({names}):
    def trampoline(*args, **kwargs):
        function = "the replacement"
        return function(*args, **kwargs)
        ({names})
    return trampoline
"""
    scope: dict[str, Any] = {}
    exec(source, scope)
    code: CodeType = scope["outer"](*range(free_variables)).__code__
    return code
