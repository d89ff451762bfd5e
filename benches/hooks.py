"""What hooks cost, beside wrappers written by hand and those that other tools make."""

from dataclasses import replace
from functools import partial
from typing import Any

from benches.tables import Table
from benches.timing import Contestant, UnavailableError, compare

GOAL_RATIO = 1.1
GOAL_NS = 3000
UNROLLED = 10

SETUP = """
import functools
from types import ModuleType
from unittest import mock
from hotpatch import hotpatch

def f(a, b=1):
    return a

def g(a, b=1):
    return b

def around(original, a, b):
    return original(a, b)

def around_any(original, *args, **kwargs):
    return original(*args, **kwargs)

def watch(a):
    pass

def watch_result(result):
    pass

def by_hand(call):
    def wrapper(a, b=1):
        return around(call, a, b)
    return wrapper

def with_wraps(call):
    @functools.wraps(call)
    def wrapper(*args, **kwargs):
        return around_any(call, *args, **kwargs)
    return wrapper

module = ModuleType("module")
module.f = f
"""
WRAPT = "import wrapt\ndef hook(wrapped, instance, args, kwargs): return wrapped(*args, **kwargs)\n"
DDTRACE = (
    "from ddtrace.internal.wrapping import unwrap, wrap\n"
    "def hook(call, args, kwargs): return call(*args, **kwargs)\n"
)
ASPECTLIB = "import aspectlib\n@aspectlib.Aspect\ndef hook(*args): yield aspectlib.Proceed\n"
SPY = (
    "from types import SimpleNamespace\nfrom pytest_mock import MockerFixture\n"
    "mocker = MockerFixture(SimpleNamespace(getini=lambda name: False))\n"
)
# A name, and what makes `call` of the function.
AROUND = {
    "a decorator written by hand, with the exact signature": "call = by_hand(f)",
    '`hotpatch`, `how="around"`': 'hotpatch(around, f, how="around"); call = f',
    "the same hook written with `*args, **kwargs`": (
        'hotpatch(around_any, f, how="around"); call = f'
    ),
    "a decorator with `functools.wraps` and `*args, **kwargs`": "call = with_wraps(f)",
    "`wrapt.FunctionWrapper`": WRAPT + "call = wrapt.FunctionWrapper(f, hook)",
    "`ddtrace.internal.wrapping.wrap`": DDTRACE + "wrap(f, hook); call = f",
    "`aspectlib`": ASPECTLIB + "call = hook(f)",
    "`mock.create_autospec`, with `side_effect`": "call = mock.create_autospec(f, side_effect=f)",
    "`mocker.spy` of pytest-mock": SPY + "call = mocker.spy(module, 'f')",
}
# How, and what a decorator written by hand does.
OBSERVERS = {
    "before": ("watch(a)", "return call(a, b)"),
    "after": ("value = call(a, b)", "watch_result(value)", "return value"),
    "error": (
        "try:",
        "    return call(a, b)",
        "except BaseException as exception:",
        "    watch_result(exception)",
        "    raise",
    ),
}
ELSEWHERE = (
    "import threading\nthread = threading.Thread(target=lambda: {}); thread.start(); thread.join()"
)
COROUTINES = """
async def f(a, b=1):
    return a

async def g(a, b=1):
    return b

def call(a, b):
    try:
        f(a, b).send(None)
    except StopIteration:
        pass
"""
SCOPES = {
    "not patched": "call = f",
    'patched with `scope="context"` in another': (
        ELSEWHERE.format('hotpatch(g, f, scope="context")') + "\ncall = f"
    ),
    'patched with `scope="thread"` in another': (
        ELSEWHERE.format('hotpatch(g, f, scope="thread")') + "\ncall = f"
    ),
    'patched with `scope="context"`, and in force': 'hotpatch(g, f, scope="context"); call = f',
    "a coroutine function, not patched": COROUTINES,
    'a coroutine function, patched with `scope="context"` in another': (
        COROUTINES + ELSEWHERE.format('hotpatch(g, f, scope="context")')
    ),
}
# A name, what is needed, and what applies and undoes.
PATCHING = {
    '`hotpatch`, `how="around"`': ("", 'hotpatch(around, f, how="around").undo()'),
    '`hotpatch`, `how="before"`': ("", 'hotpatch(watch, f, how="before").undo()'),
    '`hotpatch`, `scope="context"`': ("", 'hotpatch(g, f, scope="context").undo()'),
    "`mock.patch.object`, new=wrapper": (
        "wrapper = by_hand(f)",
        "with mock.patch.object(module, 'f', wrapper): pass",
    ),
    "`wrapt.wrap_function_wrapper`": (
        WRAPT,
        "wrapt.wrap_function_wrapper(module, 'f', hook); module.f = f",
    ),
    "`ddtrace.internal.wrapping`": (DDTRACE, "wrap(f, hook); unwrap(f, hook)"),
    "`aspectlib.weave`": (ASPECTLIB, "aspectlib.weave(module, hook, methods='f').rollback()"),
}
HOOK_GOALS = ('`hotpatch`, `how="around"`', '`hotpatch`, `how="before"`')


def scope(setup: str) -> dict[str, Any]:
    """Return what a contestant needs; functions are made anew for each."""
    found: dict[str, Any] = {"__name__": "benches"}
    exec(SETUP, found)
    try:
        exec(setup, found)
    except ImportError:
        raise UnavailableError("not installed") from None
    except Exception as error:
        raise UnavailableError(f"fails: {type(error).__name__}") from error
    return found


def run(rounds: int) -> list[Table]:
    """Answer the questions of this file."""
    return [around(rounds), observers(rounds), scopes(rounds), patching(rounds)]


def calling(setup: str) -> Contestant:
    """Time calls of `call`."""
    return Contestant("call(1, 2)", scope(setup), unrolled=UNROLLED)


def around(rounds: int) -> Table:
    """Compare hooks that pass everything on."""
    rows = compare({name: partial(calling, setup) for name, setup in AROUND.items()}, rounds)
    return Table(
        "Calling a function with a hook around it that passes everything on",
        f"The goal is at most {GOAL_RATIO}.",
        "a decorator written by hand that calls the same hook",
        "ratio",
        [replace(row, goal=GOAL_RATIO) if row.name in HOOK_GOALS else row for row in rows],
    )


def observers(rounds: int) -> Table:
    """Compare hooks that are told of a call, each with a decorator that does the same."""
    rows = []
    for how, statements in OBSERVERS.items():
        by_hand = "def by_hand(call):\n    def wrapper(a, b=1):\n"
        by_hand += "".join(f"        {statement}\n" for statement in statements)
        hook = "watch" if how == "before" else "watch_result"
        contestants = {
            f"`{how}`, a decorator written by hand": (
                f"{by_hand}    return wrapper\ncall = by_hand(f)"
            ),
            f"`{how}`, `hotpatch`": f'hotpatch({hook}, f, how="{how}"); call = f',
        }
        both = compare({name: partial(calling, it) for name, it in contestants.items()}, rounds)
        rows += [both[0], replace(both[1], goal=GOAL_RATIO)]
    return Table(
        "Calling a function that a hook observes",
        f"The hooks do nothing, and there are no errors. The goal is at most {GOAL_RATIO}.",
        "the decorator, which has the exact signature and calls the same hook",
        "ratio",
        rows,
    )


def scopes(rounds: int) -> Table:
    """Compare calls outside of the context or thread of a patch with calls of no patch."""
    rows = compare({name: partial(calling, setup) for name, setup in SCOPES.items()}, rounds)
    return Table(
        "Calling a function that is patched for another context or thread",
        "The goal is at most 20 ns more. The coroutines are awaited.",
        "the first row",
        "time",
        rows,
    )


def patching(rounds: int) -> Table:
    """Compare putting a hook in place and taking it away."""

    def contestant(setup: str, statement: str) -> Contestant:
        return Contestant(statement, scope(setup))

    rows = compare({name: partial(contestant, *it) for name, it in PATCHING.items()}, rounds)
    return Table(
        "Putting a hook in place and taking it away",
        f"Both together. The goal is at most {GOAL_NS // 1000} µs.",
        "the first row",
        "time",
        [replace(row, goal=GOAL_NS) if "hotpatch" in row.name else row for row in rows],
    )
