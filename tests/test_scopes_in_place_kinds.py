"""As `test_scopes_in_place.py`, for functions whose calls make a coroutine or a generator.

Since 3.11 the code of these runs a few instructions before it makes one, and the test is among
them: a patch is in force for calls that are made there. In 3.10 a generated function lies in
between, as it does in all versions if the replacement has other parameters: that asks where it
begins to run.
"""

import contextvars
import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from hotpatch import hotpatch
from test_scopes_in_place import (
    LONG,
    SCOPES,
    SIGNATURES,
    Scope,
    define,
    elsewhere_called,
    outcome,
    patch_elsewhere,
    recorded,
)

pytestmark = pytest.mark.usefixtures("all_are_undone")

Function = Callable[..., Any]
ONLY_IN_PLACE = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="in 3.10 a generated function lies in between"
)

# How it is defined, and what it does with a value.
KINDS = {
    "coroutine": ("async def", "return {}"),
    "generator": ("def", "yield {}"),
    "iterable coroutine": ("@coroutine\ndef", "return (yield {})"),
    "async generator": ("async def", "yield {}"),
}
of_each_kind = pytest.mark.parametrize("kind", KINDS)
in_each_scope = pytest.mark.parametrize("scope", SCOPES)


def make(kind: str, parameters: str, body: str, value: str, **names: Any) -> Function:
    """A function `target` of a kind. Its body has one level of indentation."""
    header, give = KINDS[kind]
    source = f"{header} target({parameters}):\n{body}\n    {give.format(value)}\n"
    return define(source, coroutine=types.coroutine, **names)


def finish(made: Any) -> list[object]:
    """All that a coroutine or a generator yields and returns."""
    found: list[object] = []
    if inspect.isasyncgen(made):

        async def collect(values: Any) -> None:
            async for value in values:
                found.append(value)

        made = collect(made)
    try:
        while True:
            found.append(made.send(None))
    except StopIteration as stopped:
        return [*found, stopped.value]


@in_each_scope
@of_each_kind
@pytest.mark.parametrize("parameters", SIGNATURES)
def test_arguments_arrive_as_they_were_given(parameters: str, kind: str, scope: Scope) -> None:
    inner = "    inner = lambda: sorted(seen.items())\n    seen = {**locals(), 'inner': 0}"
    target = make(kind, parameters, inner, "('old', inner())")
    replacement = make(kind, parameters, inner, "('new', inner())")
    written = ", ".join(f"finish(f({it}))" for it in SIGNATURES[parameters])
    call = define(f"def call(f): return [{written}]", "call", finish=finish)
    before, wanted = call(target), call(replacement)
    patch = patch_elsewhere(replacement, target, scope)
    assert call(target) == before
    with hotpatch(replacement, target, scope=scope):
        assert call(target) == wanted
    patch.undo()
    assert call(target) == before


@in_each_scope
@of_each_kind
@pytest.mark.parametrize("length", [0, 1, 25, LONG])
def test_long_code_with_jumps_and_handlers(length: int, kind: str, scope: Scope) -> None:
    parts = [
        f"""
    for i in range(3):
        try:
            if i == {index % 3}:
                raise KeyError(total)
            total += {index}.5
        except KeyError:
            total += i
        finally:
            total -= 1
"""
        for index in range(length)
    ]
    body = f"    total = 0\n{''.join(parts)}"
    target = make(kind, "n", body, "total / n")
    other = make(kind, "n", "", "n")
    before = finish(target(2))
    patch = patch_elsewhere(other, target, scope)
    with hotpatch(other, target, scope=scope):
        assert finish(target(2)) == finish(other(2))
    assert finish(target(2)) == before
    with pytest.raises(ZeroDivisionError):
        finish(target(0))
    patch.undo()
    assert finish(target(2)) == before


STEPS = """
    import sys
    frame = sys._getframe()
    try:
        for i in range(n, 3):
            list(range(i))
        seen = (sorted(locals()), frame.f_code.co_name, 1 / n)
    finally:
        del frame"""


def outcomes_of(target: Function) -> list[list[Any]]:
    """With and without an exception."""
    return [outcome(lambda _, n=n: finish(target(n))) for n in range(2)]


@ONLY_IN_PLACE
@in_each_scope
@of_each_kind
@pytest.mark.parametrize("install", [sys.settrace, sys.setprofile])
def test_nothing_shows_elsewhere(install: Function, kind: str, scope: Scope) -> None:
    target = make(kind, "n", STEPS, "seen")
    call = functools.partial(outcomes_of, target)
    before, outcomes = recorded(call, install), call()
    assert before
    patch = patch_elsewhere(make(kind, "n", "", "n"), target, scope)
    assert recorded(call, install) == before
    assert call() == outcomes
    patch.undo()
    assert recorded(call, install) == before


@in_each_scope
@pytest.mark.parametrize(
    "kind", ["plain", *(pytest.param(kind, marks=ONLY_IN_PLACE) for kind in KINDS)]
)
def test_the_variables_of_a_call_in_force_can_be_seen(kind: str, scope: Scope) -> None:
    """Also those that are in cells, by a tracer and by the replacement, which can change them."""
    header, give = KINDS.get(kind, ("def", "return {}"))
    source = f"""
def make(free):
    class Base:
        def target(self, a, *rest, b=2, **options):
            pass
    class Derived(Base):
        {header.replace(chr(10), chr(10) + "        ")} target(self, a, *rest, b=2, **options):
            inner = lambda: (self, a, rest, free)
            super().target(*inner())
            {give.format("inner()")}
    return Derived
"""
    derived = define(source, "make", coroutine=types.coroutine)("free")
    other = define(source, "make", coroutine=types.coroutine)("other")
    target, instance = derived.target, derived()
    names = {"self": instance, "a": 1, "rest": (3,), "b": 4, "options": {"c": 5}, "free": "free"}
    seen: list[dict[str, Any]] = []

    def look(frame: types.FrameType) -> None:
        seen.append({name: frame.f_locals[name] for name in names})
        frame.f_locals["b"] = 0

    def trace(frame: types.FrameType, event: str, _: object) -> Any:
        if frame.f_code is target.__code__:
            look(frame)
        return trace

    def replacement(self: Any, a: int, *rest: int, b: int = 2, **options: int) -> None:
        caller = sys._getframe().f_back
        assert caller
        look(caller)

    new = replacement if kind == "plain" else other.target
    with hotpatch(new, target, scope=scope):
        sys.settrace(trace)
        try:
            made = instance.target(1, 3, b=4, c=5)
        finally:
            sys.settrace(None)
    if hasattr(made, "close"):
        made.close()
    assert len(seen) > 1
    assert seen[0] == names
    before = finish(instance.target(1)) if kind != "plain" else instance.target(1)
    patch_elsewhere(new, target, scope)
    assert before == (finish(instance.target(1)) if kind != "plain" else instance.target(1))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with 3.12")
@of_each_kind
def test_monitoring_sees_what_it_saw(kind: str) -> None:
    monitoring: Any = vars(sys)["monitoring"]
    tool = 4
    names = ["PY_START", "PY_YIELD", "PY_RESUME", "PY_RETURN", "PY_UNWIND", "RAISE", "LINE"]
    target, other = make(kind, "n", STEPS, "seen"), make(kind, "n", "", "n")
    seen: list[tuple[Any, ...]] = []

    def see(name: str) -> Function:
        def callback(code: types.CodeType, *_: object) -> None:
            if code.co_filename == "defined.py":
                seen.append((name, code.co_firstlineno))

        return callback

    def events() -> list[tuple[Any, ...]]:
        seen.clear()
        outcomes_of(target)
        return seen.copy()

    monitoring.use_tool_id(tool, "hotpatch")
    try:
        for name in names:
            monitoring.register_callback(tool, getattr(monitoring.events, name), see(name))
        monitoring.set_events(tool, sum(getattr(monitoring.events, name) for name in names))
        before = events()
        patch = patch_elsewhere(other, target, "thread")
        while_patched = events()
        with hotpatch(other, target, scope="thread"):
            in_force = events()
        patch.undo()
        after = events()
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
    assert before == while_patched == after
    names_in_force = [name for name, _ in in_force]
    assert names_in_force.count("PY_START") == names_in_force.count("PY_RETURN") == 4


@ONLY_IN_PLACE
@in_each_scope
@of_each_kind
def test_a_call_is_in_force_where_it_is_made(kind: str, scope: Scope) -> None:
    target, other = make(kind, "", "", "'old'"), make(kind, "", "", "'new'")
    old, new = finish(target()), finish(other())
    with hotpatch(other, target, scope=scope):
        made_here = target()
        made_elsewhere = elsewhere_called(lambda _: target())
        assert elsewhere_called(lambda _: finish(made_here)) == new
        assert finish(made_elsewhere) == old
        made_here = target()
    assert finish(made_here) == new


@in_each_scope
@of_each_kind
def test_with_other_parameters_it_is_in_force_where_it_begins(kind: str, scope: Scope) -> None:
    target = make(kind, "", "", "'old'")
    other = make(kind, "*args, **options", "", "'new'")
    old, new = finish(target()), finish(other())
    with hotpatch(other, target, scope=scope):
        made_here = target()
        made_elsewhere = elsewhere_called(lambda _: target())
        assert elsewhere_called(lambda _: finish(made_here)) == old
        assert finish(made_elsewhere) == new


@in_each_scope
@of_each_kind
def test_a_debugger_can_jump(kind: str, scope: Scope) -> None:
    """CPython follows the code from its beginning to see where a jump may lead."""
    body = """
    out = []
    for i in range(2):
        try:
            out.append(i)
            out.append('skipped')
            out.append((lambda: n)())
        finally:
            out.append('ended')
"""
    target = make(kind, "n", body, "out")
    first = target.__code__.co_firstlineno + len(KINDS[kind][0].splitlines()) - 1

    def jumped() -> list[object]:
        def trace(frame: Any, event: str, _: object) -> Any:
            if frame.f_code.co_name == "target" and frame.f_lineno == first + 6 and event == "line":
                frame.f_lineno = first + 7
            return trace

        sys.settrace(trace)
        try:
            return finish(target(1))
        finally:
            sys.settrace(None)

    before = jumped()
    assert "ended" in repr(before)
    assert "skipped" not in repr(before)
    patch = patch_elsewhere(make(kind, "n", "", "n"), target, scope)
    assert jumped() == before
    patch.undo()
    assert jumped() == before


@in_each_scope
@of_each_kind
def test_everything_passes_through(kind: str, scope: Scope) -> None:
    """What its caller sends and throws, and when it closes it."""
    body = """
    try:
        try:
            told.append("begun")
        finally:
            told.append("going on")
"""
    steps = {
        "coroutine": "        told.append(await once('value'))",
        "generator": "        told.append((yield 'value'))",
        "iterable coroutine": "        told.append((yield 'value'))",
        "async generator": "        told.append((yield 'value'))",
    }[kind]
    rest = """
    except KeyError as error:
        told.append(error)
    finally:
        told.append("ended")"""

    @types.coroutine
    def once(value: object) -> Any:
        return (yield value)

    def defined(told: list[Any]) -> Function:
        return make(kind, "", body + steps + rest, "'last'", told=told, once=once)

    def drive(target: Function, told: list[Any]) -> list[Any]:
        error = KeyError("thrown")
        for act in ["send", "throw", "close"]:
            made = target()
            if kind == "async generator":
                verbs = {"send": made.asend, "throw": made.athrow, "close": made.aclose}
                actions: dict[str, Function] = {
                    name: lambda *it, verb=verb: finish(verb(*it)) for name, verb in verbs.items()
                }
            else:
                actions = {"send": made.send, "throw": made.throw, "close": made.close}
            told.append(actions["send"](None))
            given: dict[str, list[Any]] = {"send": [5], "throw": [error], "close": []}
            try:
                told.append(actions[act](*given[act]))
            except StopIteration as stopped:
                told.append(stopped.value)
            told.append(act)
            if act != "close":
                actions["close"]()
        return [it if it is not error else "the error" for it in told]

    told: list[Any] = []
    target = defined(told)
    wanted = drive(target, told)
    assert wanted.count("the error") == 1
    told_instead: list[Any] = []
    with hotpatch(defined(told_instead), target, scope=scope):
        assert drive(target, told_instead) == wanted

    told.clear()
    patch_elsewhere(make(kind, "", "", "'other'"), target, scope)
    assert drive(target, told) == wanted


@in_each_scope
@of_each_kind
def test_hooks_here_and_elsewhere(kind: str, scope: Scope) -> None:
    told: list[Any] = []
    target = make(kind, "n", "", "('base', n)")
    below = make(kind, "n", "", "('below', n)")
    base, changed = finish(target(1)), finish(below(1))
    hooks = [
        patch_elsewhere(lambda: told.append("elsewhere"), target, scope, how="before"),
        hotpatch(lambda n: told.append(("before", n)), target, how="before", scope=scope),
        hotpatch(lambda result, n: told.append("after"), target, how="after", scope=scope),
        hotpatch(lambda: told.append("everywhere"), target, how="before", order=1),
    ]
    assert finish(target(1)) == base
    assert told == ["everywhere", ("before", 1), "after"]
    told.clear()
    assert elsewhere_called(lambda n: finish(target(n))) == base
    assert told == ["everywhere"]
    told.clear()
    copy = make(kind, "n", "", "n")
    hotpatch(target, copy)
    with hotpatch(below, target, order=-1):
        assert finish(target(1)) == changed
        assert finish(copy(1)) == base
    assert told == ["everywhere", ("before", 1), "after"] * 2
    for hook in hooks:
        hook.undo()
    told.clear()
    assert finish(target(1)) == base
    assert told == []


@ONLY_IN_PLACE
def test_tasks_see_the_target_itself() -> None:
    """Where no patch is in force, a coroutine is that of the target."""
    target = make("coroutine", "n", "", "n")
    patch_elsewhere(make("coroutine", "n", "", "-n"), target, "context")
    made = target(1)
    assert made.cr_code is target.__code__
    assert (made.__name__, made.__qualname__) == ("target", "target")
    assert inspect.getcoroutinestate(made) == "CORO_CREATED"
    assert contextvars.copy_context().run(finish, made) == [1]
