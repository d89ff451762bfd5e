"""Plain functions with a patch that is for some calls only: all other calls are as they were.

The test whether the patch is in force is in the code of the target. Nothing lies in between.
"""

import contextvars
import cProfile
import ctypes
import functools
import gc
import pstats
import sys
import threading
import traceback
import types
import weakref
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hotpatch import Patch, hotpatch, patches

pytestmark = pytest.mark.usefixtures("all_are_undone")

Function = Callable[..., Any]
Scope = Literal["context", "thread"]
SCOPES: list[Scope] = ["context", "thread"]


def patch_elsewhere(replacement: Function, target: Function, scope: Scope, **options: Any) -> Patch:
    """Patch in a thread and a context that nobody is in when this returns."""
    made: list[Patch] = []
    context = contextvars.Context()
    thread = threading.Thread(
        target=context.run,
        args=[lambda: made.append(hotpatch(replacement, target, scope=scope, **options))],
    )
    thread.start()
    thread.join()
    return made[0]


def elsewhere_called(function: Function) -> Any:
    results: list[Any] = []
    context = contextvars.Context()
    thread = threading.Thread(target=context.run, args=[lambda: results.append(function(1))])
    thread.start()
    thread.join()
    return results[0]


def define(source: str, name: str = "target", **names: object) -> Function:
    namespace: dict[str, Any] = {"__name__": "defined", **names}
    exec(compile(source, "defined.py", "exec"), namespace)
    function: Function = namespace[name]
    return function


# Parameters, and calls as they are written.
SIGNATURES = {
    "": [""],
    "a": ["1", "a=1"],
    "a, b=2": ["1", "1, 3", "a=1, b=3"],
    "a, /, b": ["1, 2", "1, b=2"],
    "*args": ["", "1, 2"],
    "a, *args": ["1", "1, 2, 3"],
    "**options": ["", "a=1"],
    "a, **options": ["1", "a=1, b=2"],
    "*, k": ["k=1"],
    "*, k, l=2": ["k=1", "l=1, k=3"],
    "a, *, k=1": ["1", "1, k=2"],
    "*args, k=1": ["", "1, 2, k=3"],
    "*args, k, **options": ["1, k=2", "k=2, l=3, m=4"],
    "a, /, b=2, *args, k, l=4, **options": ["1, k=1", "1, 2, 3, 4, k=5, l=6, m=7"],
}
BODIES = {
    "plain": "return seen, sorted(locals().items())",
    "in cells": "inner = lambda: (a_0, {names}); return seen, inner()",
}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("parameters", SIGNATURES)
def test_arguments_arrive_as_they_were_given(parameters: str, body: str, scope: Scope) -> None:
    words = parameters.replace("=", " ").replace("*", " ").replace(",", " ").split()
    names = ", ".join(word for word in words if word.isidentifier()) + ","
    statement = BODIES[body].format(names=names if names != "," else "")
    make = f"""
def make(seen, a_0):
    def target({parameters}):
        {statement}
    return target
"""
    target, replacement = define(make, "make")("old", 0), define(make, "make")("new", 0)
    call = define(
        "def call(f): return [" + ", ".join(f"f({it})" for it in SIGNATURES[parameters]) + "]",
        "call",
    )
    before, wanted = call(target), call(replacement)
    patch = patch_elsewhere(replacement, target, scope)
    assert call(target) == before
    with hotpatch(replacement, target, scope=scope):
        assert call(target) == wanted
    patch.undo()
    assert call(target) == before


LONG = 300


def long_source(length: int) -> str:
    jumps = [
        f"""
    for i in range(3):
        if i == {index % 3}:
            continue
        try:
            total += [{index}.5, "{index}"][i % 2] if i else {index}
        except TypeError:
            total += i
"""
        for index in range(length)
    ]
    gap = "\n" * 3000
    return f"def target(n):\n    total = 0\n{''.join(jumps)}{gap}\n    return total / n\n"


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("length", [0, *range(20, 34), LONG])
def test_long_code_with_jumps_and_handlers(length: int, scope: Scope) -> None:
    target = define(long_source(length))
    before = target(2)
    with pytest.raises(ZeroDivisionError) as plain:
        target(0)
    line = traceback.extract_tb(plain.value.__traceback__)[1].lineno
    with patch_elsewhere(lambda n: ("new", n), target, scope):
        with hotpatch(lambda n: "here", target, scope=scope):
            assert target(2) == "here"
        assert target(2) == before
        with pytest.raises(ZeroDivisionError) as patched:
            target(0)
    entries = traceback.extract_tb(patched.value.__traceback__)[1:]
    if sys.version_info < (3, 11):
        # An operand of a jump may need more room: then a generated function is in between.
        entries = [entry for entry in entries if entry.name != "forward"]
    assert [(entry.name, entry.lineno) for entry in entries] == [("target", line)]


def outcome(function: Function) -> list[Any]:
    try:
        return [function(0)]
    except ZeroDivisionError as error:
        return [(it.name, it.lineno, it.line) for it in traceback.extract_tb(error.__traceback__)]


STEPS = """
def target(n):
    try:
        with context():
            for i in range(n, 3):
                yield_not = [j for j in range(i)]
            return 1 / n
    finally:
        n = None
"""


def recorded(call: Callable[[], object], install: Function) -> list[tuple[Any, ...]]:
    events: list[tuple[Any, ...]] = []

    def trace(frame: types.FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename == "defined.py":
            events.append((event, frame.f_code.co_name, frame.f_lineno, sorted(frame.f_locals)))
        return trace

    install(trace)
    try:
        call()
    finally:
        install(None)
    return events


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("install", [sys.settrace, sys.setprofile])
def test_tracers_and_profilers_see_what_they_saw(install: Function, scope: Scope) -> None:
    target = define(STEPS, context=functools.partial(open, __file__))
    call = functools.partial(outcome, target)
    before = recorded(call, install)
    assert before
    patch_elsewhere(lambda n: None, target, scope)
    assert recorded(call, install) == before


@pytest.mark.parametrize("scope", SCOPES)
def test_a_profile_counts_calls_that_are_in_force_too(scope: Scope) -> None:
    target = define("def target(n):\n    return n\n")

    def replacement(n: int) -> int:
        raise KeyError(n)

    def caller() -> None:
        for _ in range(3):
            with pytest.raises(KeyError):
                target(1)

    profile = cProfile.Profile()
    with hotpatch(replacement, target, scope=scope):
        profile.runcall(caller)
    stats: Any = pstats.Stats(profile)
    calls = {name: entry[1] for (_, _, name), entry in stats.stats.items()}
    assert calls["target"] == calls["replacement"] == 3
    callers = {name: entry[4] for (_, _, name), entry in stats.stats.items()}
    assert [name for _, _, name in callers["replacement"]] == ["target"]
    assert [name for _, _, name in callers["target"]] == ["caller"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with 3.12")
@pytest.mark.parametrize("is_in_force", [False, True])
def test_each_start_has_its_end(is_in_force: bool) -> None:
    monitoring: Any = vars(sys)["monitoring"]
    tool, names = 4, ["PY_START", "PY_RETURN", "PY_UNWIND", "RAISE"]
    target = define("def target(n):\n    return 1 / n\n")
    seen: list[str] = []

    def see(name: str) -> Function:
        def callback(code: types.CodeType, *_: object) -> None:
            if code.co_name == "target":
                seen.append(name)

        return callback

    patch_elsewhere(target, target, "thread")
    if is_in_force:
        hotpatch(define("def other(n):\n    return 1 / n\n", "other"), target, scope="thread")
    monitoring.use_tool_id(tool, "hotpatch")
    try:
        for name in names:
            monitoring.register_callback(tool, getattr(monitoring.events, name), see(name))
        monitoring.set_events(tool, sum(getattr(monitoring.events, name) for name in names))
        target(1)
        outcome(target)
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
    for made in [made for made in patches() if made.target is target]:
        made.undo()
    assert seen == ["PY_START", "PY_RETURN", "PY_START", "RAISE", "PY_UNWIND"]


@pytest.mark.parametrize("scope", SCOPES)
def test_nothing_shows_elsewhere(scope: Scope) -> None:
    target = define("""
def target(n, known={}):
    import sys
    frame = sys._getframe()
    return locals(), frame.f_back.f_code.co_name, frame.f_code.co_freevars, 1 / n
""")
    before, at_error = target(1), outcome(target)
    default = before[0]["known"]
    closure, code = target.__closure__, target.__code__
    with patch_elsewhere(lambda n, known=default: None, target, scope):
        now = target(1)
        assert now[0].keys() == before[0].keys()
        assert now[1:] == before[1:]
        assert outcome(target) == at_error
        assert (target.__closure__ or None) == closure
        assert target.__code__.co_varnames == code.co_varnames
    assert target.__code__ is code


@pytest.mark.parametrize("scope", SCOPES)
def test_where_it_is_in_force_the_target_shows_once(scope: Scope) -> None:
    target = define("\n\ndef target(n):\n    return n\n")

    def replacement(n: int) -> float:
        return 1 / n

    with hotpatch(replacement, target, scope=scope), pytest.raises(ZeroDivisionError) as raised:
        target(0)
    entries = traceback.extract_tb(raised.value.__traceback__)[1:]
    assert [(entry.name, entry.lineno) for entry in entries] == [
        ("target", 3),
        ("replacement", replacement.__code__.co_firstlineno + 1),
    ]


@pytest.mark.parametrize("how", ["around", "before", "after", "error"])
@pytest.mark.parametrize("scope", SCOPES)
def test_hooks_and_replacements_in_any_order(scope: Scope, how: Any) -> None:
    target = define("def target(n):\n    return ['base', 1 / n]\n")
    told: list[Any] = []

    def around(original: Function, n: int) -> Any:
        told.append(n)
        return original(n)

    hooks: dict[str, Any] = {
        "around": around,
        "before": told.append,
        "after": told.append,
        "error": told.append,
    }
    for rounds in range(2):
        elsewhere = patch_elsewhere(hooks[how], target, scope, how=how, order=1)
        below = hotpatch(lambda n: ["below", 1 / n], target)
        here = hotpatch(hooks[how], target, how=how, scope=scope)
        assert target(1) == ["below", 1.0]
        outcome(target)
        assert len(told) == {"around": 2, "before": 2, "after": 1, "error": 1}[how]
        told.clear()
        handles = [below, elsewhere, here]
        if rounds:
            handles.reverse()
        handles[0].undo()
        assert target(1) == ["base" if not rounds else "below", 1.0]
        handles[1].undo()
        handles[2].undo()
        told.clear()
        assert target(1) == ["base", 1.0]
        assert told == []


@pytest.mark.parametrize("scope", SCOPES)
def test_a_copy_has_its_own(scope: Scope) -> None:
    """Another function gets what the first does, there and elsewhere, and keeps it."""
    first = define("def target(n):\n    return 'first', n\n")
    second = define("def target(n):\n    return 'second', n\n")

    def around(original: Function, n: int) -> Any:
        return "around", original(n)

    here = hotpatch(around, first, how="around", scope=scope)
    elsewhere = patch_elsewhere(lambda n: "elsewhere", first, scope)

    def pass_on(original: Function, n: int) -> Any:
        return original(n)

    outer = hotpatch(pass_on, first, how="around")
    assert first(1) == ("around", ("first", 1))
    copies = [hotpatch(first, second), hotpatch(outer.original, second)]
    base = hotpatch(lambda n: ("other base", n), first, order=-1)
    assert first(1) == ("around", ("other base", 1))
    for copy in reversed(copies):
        assert second(1) == ("around", ("first", 1))
        assert elsewhere_called(second) == ("first", 1)
        copy.undo()
    for patch in [base, outer, elsewhere, here]:
        patch.undo()
    assert (first(1), second(1)) == (("first", 1), ("second", 1))


@pytest.mark.parametrize("scope", SCOPES)
def test_code_that_somebody_took_runs_the_original_afterwards(scope: Scope) -> None:
    target = define("def target(n):\n    return 'base', n\n")
    with hotpatch(lambda n: "new", target, scope=scope):
        copy = types.FunctionType(target.__code__, target.__globals__)
        assert copy(1) == "new"
    gc.collect()
    assert copy(1) == ("base", 1)


@pytest.mark.parametrize("scope", SCOPES)
def test_replacements_go_with_their_patch(scope: Scope) -> None:
    target = define("def target(n):\n    return 'base', n\n")

    def pass_on(original: Function, n: int) -> Any:
        return original(n)

    outer = hotpatch(pass_on, target, how="around", order=1)
    gone: list[Any] = []
    for _ in range(10):

        def replacement(n: int) -> Any:
            return "new", n

        gone.append(weakref.ref(replacement))
        hotpatch(replacement, target, scope=scope).undo()
        assert target(1) == ("base", 1)
    del replacement
    gc.collect()
    assert [reference() for reference in gone] == [None] * 10
    outer.undo()


@pytest.mark.parametrize("scope", SCOPES)
def test_a_replacement_that_refers_to_its_target_is_collected_with_it(scope: Scope) -> None:
    def make() -> "weakref.ref[Function]":
        target = define("def target(n):\n    return 'base', n\n")
        hotpatch(lambda n: target, target, scope=scope)
        assert target(1) is target
        return weakref.ref(target)

    reference = make()
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("scope", SCOPES)
def test_super_and_private_names(scope: Scope) -> None:
    class Base:
        def method(self, n: int) -> Any:
            return "base", n

    class Derived(Base):
        __private = "private"

        def method(self, n: int) -> Any:
            return super().method(n), self.__private

    patch_elsewhere(lambda self, n: None, Derived.method, scope)
    assert Derived().method(1) == (("base", 1), "private")
    with hotpatch(lambda self, n: (type(self), n), Derived.method, scope=scope):
        assert Derived().method(1) == (Derived, 1)
    assert Derived().method(1) == (("base", 1), "private")


@pytest.mark.parametrize("scope", SCOPES)
def test_a_diff_is_of_the_function_below(scope: Scope, tmp_path: Any) -> None:
    path = tmp_path / "of_a_file.py"
    path.write_text("def target(n):\n    return 'base', n\n")
    namespace: dict[str, Any] = {"__name__": "of_a_file"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    target = namespace["target"]
    patch_elsewhere(lambda n: "new", target, scope)
    diff = "@@ -1,2 +1,2 @@\n def target(n):\n-    return 'base', n\n+    return 'mended', n\n"
    with hotpatch(diff, target):
        assert target(1) == ("mended", 1)
    assert target(1) == ("base", 1)


def test_calls_go_on_while_patches_come_and_go() -> None:
    target = define("def target(n, *rest, k=0):\n    return 'base', n, rest, k\n")
    stop, wrong = threading.Event(), list[Any]()

    def call() -> None:
        while not stop.is_set():
            got = target(1, 2, k=3)
            if got != ("base", 1, (2,), 3):
                wrong.append(got)

    threads = [threading.Thread(target=call) for _ in range(3)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for _ in range(300):
            with hotpatch(lambda n, *rest, k=0: ("new", k), target, scope="thread"):
                assert target(1, 2, k=3) == ("new", 3)
    finally:
        stop.set()
        sys.setswitchinterval(interval)
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_thread_of_another_language_is_another() -> None:
    """Its thread state goes with each call, and the number of the thread stays its own."""
    target = define("def target(n):\n    return 'base', n\n")
    results: list[Any] = []
    callback = ctypes.CFUNCTYPE(None)(lambda: results.append(target(1)))
    with hotpatch(lambda n: "new", target, scope="thread"):
        callback()
        thread = threading.Thread(target=callback)
        thread.start()
        thread.join()
    assert results == ["new", ("base", 1)]
