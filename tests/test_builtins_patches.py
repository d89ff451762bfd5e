"""Patches of builtin functions: stacks, lifetimes, threads, audit and the changes of others."""

import builtins
import ctypes
import gc
import itertools
import json.encoder
import math
import operator
import os
import re
import subprocess
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable
from typing import Any

import c_functions
import pytest
import script
from hotpatch import Patch, PatchError, hotpatch, patches

pytestmark = pytest.mark.usefixtures("all_are_undone")


def made(receiver: object = None) -> Any:
    return c_functions.builtin(lambda: "old", c_functions.NOARGS, receiver=receiver)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_patches_are_undone_in_any_order(order: tuple[int, ...]) -> None:
    target = made()
    stack = [hotpatch(lambda i=i: f"new {i}", target) for i in range(3)]
    assert patches(target) == stack
    left = [0, 1, 2]
    for index in order:
        stack[index].undo()
        left.remove(index)
        assert target() == (f"new {left[-1]}" if left else "old")
        assert [patch.active for patch in stack] == [i in left for i in range(3)]
    stack[0].undo()
    assert patches(target) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_originals_stay_right_as_patches_come_and_go(order: tuple[int, ...]) -> None:
    target = made()
    handles: list[Patch] = []

    def layer(index: int) -> Callable[[], str]:
        return lambda: f"{index} {handles[index].original()}"

    for index in range(3):
        handles.append(hotpatch(layer(index), target))
    originals = [handle.original for handle in handles]
    assert target() == "2 1 0 old"
    assert [original() for original in originals] == ["old", "0 old", "1 0 old"]
    left = [0, 1, 2]
    for index in order:
        handles[index].undo()
        left.remove(index)
        assert target() == " ".join([*map(str, reversed(left)), "old"])
        for above in left:
            below = [str(i) for i in reversed(left) if i < above]
            assert originals[above]() == " ".join([*below, "old"])


def test_an_original_is_a_builtin_that_can_be_patched_itself() -> None:
    target = made()
    below = hotpatch(lambda: "below", target)
    above = hotpatch(lambda: "above", target)
    original: Any = above.original
    assert type(original) is types.BuiltinFunctionType
    with hotpatch(lambda: "patched", original):
        assert (original(), target()) == ("patched", "above")
        below.undo()
        assert original() == "patched"
    assert original() == "old"
    above.undo()
    assert target() == "old"


def test_a_function_can_undo_the_patch_that_runs_it() -> None:
    target = made()

    def replacement() -> str:
        patch.undo()
        return f"new, then {target()}"

    patch = hotpatch(replacement, target)
    del replacement
    gc.collect()
    assert target() == "new, then old"
    assert target() == "old"


def test_a_patch_can_be_undone_while_a_call_is_starting() -> None:
    """The `__eq__` of a keyword runs between the call and the body of the replacement."""
    handles: list[Patch] = []

    class Keyword(str):
        def __eq__(self, other: object) -> bool:
            if handles:
                handles.pop().undo()
                gc.collect()
                for _ in range(100):  # what was freed is used again
                    types.FunctionType(made.__code__, {}, "other", (1,) * 5)
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    def make(more: str) -> Any:
        def replacement(*, key: str, other: str = "default") -> str:
            return key + other + more

        return replacement

    for convention in ("VARARGS|KEYWORDS", "FASTCALL|KEYWORDS"):
        target = c_functions.builtin(lambda: "old", c_functions.CONVENTIONS[convention])
        handles.append(hotpatch(make("!"), target))
        assert target(**{Keyword("key"): "value, "}) == "value, default!"
        assert handles == []
        assert target() == "old"


def test_a_patch_keeps_neither_its_target_nor_anything_of_the_replacement_after_undo() -> None:
    target = made()

    class Kept:
        def __call__(self) -> str:
            return "new"

    replacement = Kept()
    kept, gone = weakref.ref(replacement), weakref.ref(target)
    patch = hotpatch(replacement, target)
    del replacement
    gc.collect()
    assert kept() is not None
    assert target() == "new"
    patch.undo()
    gc.collect()
    assert kept() is None
    assert patch.target is target
    del target
    assert gone() is None
    assert patch.target is None


def test_what_hangs_on_a_patch_goes_with_its_target() -> None:
    target = made()

    class Kept:
        def __call__(self) -> str:
            return "new"

    replacement = Kept()
    kept = weakref.ref(replacement)
    patch = hotpatch(replacement, target)
    del replacement
    original: Any = patch.original
    assert (target(), original()) == ("new", "old")
    del target
    gc.collect()
    assert kept() is None
    assert not patch.active
    assert patch.target is None
    assert original() == "old"
    assert patch not in patches()
    patch.undo()


def test_a_target_at_an_address_that_another_had_is_not_patched() -> None:
    for _ in range(100):
        target = made()
        assert target() == "old"
        assert patches(target) == []
        hotpatch(lambda: "new", target)
        assert target() == "new"
        del target


def test_what_a_builtin_is_bound_to_goes_with_it() -> None:
    class Receiver:
        pass

    receiver = Receiver()
    gone = weakref.ref(receiver)
    target = made(receiver)
    c_functions.kept.pop()
    hotpatch(lambda: "new", target)
    del receiver, target
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("attribute", ["definition", "entry"])
def test_a_change_by_others_is_noticed(attribute: str) -> None:
    """What time-machine, for one, does: it writes into the object."""
    target = made()
    other = made()
    word = ctypes.sizeof(ctypes.c_void_p)
    # PyCFunctionObject: head, m_ml, m_self, m_module, m_weakreflist, vectorcall.
    offset = object.__basicsize__ + (0 if attribute == "definition" else 4 * word)
    field = ctypes.c_void_p.from_address(id(target) + offset)
    foreign = ctypes.c_void_p.from_address(id(other) + offset).value
    with hotpatch(lambda: "new", target) as patch:
        ours, field.value = field.value, foreign
        with pytest.raises(PatchError, match="changed by somebody else"):
            patch.undo()
        assert patch.active
        field.value = ours
    assert target() == "old"


def test_audit_events_tell_of_builtins_and_can_veto() -> None:
    script.run("""
        import sys, time
        from hotpatch import hotpatch, patches

        def replacement():
            return 42.0

        def hook(event, arguments):
            if event.startswith("hotpatch."):
                events.append((event, *arguments))
                if veto:
                    raise PermissionError

        events, veto = [], []
        sys.addaudithook(hook)
        patch = hotpatch(replacement, time.time, by="me")
        veto.append(True)
        for change in (lambda: hotpatch(replacement, time.time, by="you"), patch.undo):
            try:
                change()
            except PermissionError:
                assert time.time() == 42.0
            else:
                raise AssertionError
        assert patches() == [patch]
        veto.clear()
        patch.undo()
        assert events == [
            ("hotpatch.apply", time.time, replacement, "me"),
            ("hotpatch.apply", time.time, replacement, "you"),
            ("hotpatch.undo", time.time, replacement, "me"),
            ("hotpatch.undo", time.time, replacement, "me"),
        ]
        assert time.time() > 42.0
        """)


def test_threads_see_one_body_or_the_other() -> None:
    target = made()
    results: set[str] = set()
    is_over = threading.Event()

    def call() -> None:
        while not is_over.is_set():
            for _ in range(100):
                results.add(target())

    threads = [threading.Thread(target=call) for _ in range(3)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for index in itertools.count():
            with hotpatch(lambda: "new", target), hotpatch(made, target) as upper:
                upper.undo()
                results.add(f"{index % 2}")
            if index > 300 and {"old", "new"} <= results:
                break  # until then the others may not have had their turn
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    kinds = {result if isinstance(result, str) else type(result).__name__ for result in results}
    assert kinds <= {"old", "new", "0", "1", "builtin_function_or_method"}
    assert {"old", "new"} <= kinds
    assert target() == "old"


def test_patches_may_come_from_many_threads() -> None:
    target = made()
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for index in range(50):
            with hotpatch(lambda index=index: f"new {index}", target) as patch:
                patch.original()
                target()

    threads = [threading.Thread(target=work) for _ in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert target() == "old"
    assert patches(target) == []


def test_patching_one_builtin_again_and_again_keeps_no_memory() -> None:
    def rounds(times: int) -> None:
        for _ in range(times):
            hotpatch(float, math.sqrt).undo()

    rounds(1000)
    gc.collect()
    before = sys.getallocatedblocks()
    rounds(100_000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 200


def test_the_interpreter_can_end_while_a_builtin_is_patched() -> None:
    output = script.run("""
        import time
        from hotpatch import hotpatch

        class Last:
            def __del__(self, time=time.time, print=print):
                print("last", time() >= 42)

        def replacement(kept=Last()):
            return 42.0

        patch = hotpatch(replacement, time.time)
        del replacement
        print(time.time())
        """)
    assert output.splitlines()[0] == "42.0"


REFUSED: dict[str, tuple[Any, str, tuple[int, int]]] = {
    "len": (len, "an instruction of its own", (3, 11)),
    "isinstance": (isinstance, "an instruction of its own", (3, 11)),
    "all": (all, "to a loop", (3, 14)),
    "any": (any, "to a loop", (3, 14)),
    "__import__": (builtins.__import__, "does not call it", (3, 10)),
    "encode": (
        json.encoder.encode_basestring_ascii,
        "JSON",
        (3, 10),
    ),
    "__new__": (dict.__new__, "the C slot tp_new", (3, 10)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_called_through_the_object_is_refused(name: str) -> None:
    target, why, since = REFUSED[name]
    if sys.version_info < since:
        with hotpatch(lambda *_: "new", target):
            assert target() == "new"
        return
    text = re.escape(f"cannot patch {target!r} in place: ")
    with pytest.raises(TypeError, match=f"^{text}.*{why}.*; (patch|add|pass) "):
        hotpatch(lambda *_: None, target)


def test_a_replacement_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot replace <built-in function time> by 5: it is not"):
        hotpatch(5, time.time)  # type: ignore[call-overload]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="there is no JIT compiler before 3.13")
def test_traces_see_the_change() -> None:
    """`PYTHON_JIT=1` is ignored by a CPython that was built without the compiler."""
    text = """
import math
from hotpatch import hotpatch

def run(times):
    total = 0.0
    for _ in range(times):
        total += math.sqrt(4.0)
    return total

for _ in range(5):
    assert run(20000) == 40000.0
    with hotpatch(lambda value: 7.0, math.sqrt):
        assert run(20000) == 140000.0
    assert run(20000) == 40000.0
    with hotpatch(math.exp2 if hasattr(math, "exp2") else abs, math.sqrt):
        assert run(20000) == 320000.0
print(math.sqrt(9.0))
"""
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHON_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("3.0\n", "")


def test_specialised_call_sites_are_as_before_after_undo() -> None:
    def call() -> object:
        return operator.add(1, 2)

    for _ in range(100):
        call()
    with hotpatch(lambda a, b: "new", operator.add):
        assert {call() for _ in range(100)} == {"new"}
    assert {call() for _ in range(100)} == {3}
