"""Methods of C types: through the class, an instance, a subclass, and bound before and after."""

import array
import collections
import ctypes
import datetime
import gc
import itertools
import os
import random
import re
import subprocess
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import script
from hotpatch import Patch, PatchError, hotpatch, patches

Function = Callable[..., Any]


pytestmark = pytest.mark.usefixtures("all_are_undone")


def typed(value: object) -> Any:
    """Keep the type checker from knowing what a method returns."""
    return value


def new(*args: object, **kwargs: object) -> Any:
    return "new", args, kwargs


def test_a_method_changes_for_all_objects_however_it_is_reached() -> None:
    class Subclass(dict[int, int]):
        pass

    one: Any = {1: 2}
    other: Any = Subclass({1: 2})
    bound_before = one.get
    with hotpatch(lambda self, key: ("new", key), dict.get) as patch:
        assert one.get(1) == ("new", 1)
        assert other.get(1) == ("new", 1)
        assert bound_before(1) == ("new", 1)
        assert typed(dict).get(one, 1) == ("new", 1)
        assert typed(Subclass).get(other, 1) == ("new", 1)
        assert [*map(one.get, [1])] == [("new", 1)]
        assert vars(dict)["get"].__get__(one)(1) == ("new", 1)
        bound_while = one.get
        assert typed(patch.original)(one, 1) == 2
        assert type(patch.original) is types.MethodDescriptorType
    assert one.get(1) == other.get(1) == bound_before(1) == bound_while(1) == 2


METHODS: dict[str, tuple[Function, str, tuple[Any, ...]]] = {
    "NOARGS": (str.upper, "'text'", ()),
    "NOARGS, made by one": (str.isidentifier, "'text'", ()),
    "O": (collections.deque.append, "collections.deque()", (1,)),
    "O of a frozenset": (frozenset.isdisjoint, "frozenset()", ((),)),
    "VARARGS": (str.find, "'text'", ("x",)),
    "FASTCALL": (dict.get, "{1: 2}", (1,)),
    "FASTCALL|KEYWORDS": (str.split, "'a b'", (" ",)),
    "VARARGS|KEYWORDS": (str.format, "'{}'", (1,)),
    "METHOD": (re.Pattern.match, "re.compile('a')", ("a",)),
    "of a type in Python's own C": (datetime.date.isoformat, "datetime.date(2020, 1, 2)", ()),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("times", [1, 200])
def test_every_convention_is_patched_at_cold_and_hot_sites(name: str, times: int) -> None:
    target, receiver, arguments = METHODS[name]
    method, text = target.__name__, ", ".join(map(repr, arguments))
    namespace: dict[str, Any] = {"re": re, "collections": collections, "datetime": datetime}
    receiver_value = namespace["receiver"] = eval(receiver, namespace)
    namespace["bound"], namespace["target"] = getattr(receiver_value, method), target
    for expression in (
        f"receiver.{method}({text})",
        f"bound({text})",
        f"target(receiver, {text})",
        f"receiver.{method}(*{arguments!r})",
        f"bound.__call__({text})",
        f"(lambda f: f({text}))(receiver.{method})",
    ):
        source = f"def call():\n for _ in range({times}):\n  result = {expression}\n return result"
        exec(source, namespace)
        call = namespace["call"]
        before = call()
        with hotpatch(new, target) as patch:
            assert call() == ("new", (receiver_value, *arguments), {}), expression
            assert repr(patch.original(receiver_value, *arguments)) == repr(before)
        assert repr(call()) == repr(before), expression


def test_keywords_reach_the_replacement() -> None:
    text = typed("a b")
    with hotpatch(new, str.split):
        assert text.split(sep=" ", maxsplit=1) == ("new", ("a b",), {"sep": " ", "maxsplit": 1})
        assert text.split(**{"sep": " "}) == ("new", ("a b",), {"sep": " "})
    with hotpatch(new, str.format):
        assert text.format(a=1) == ("new", ("a b",), {"a": 1})


def test_a_class_method_gets_the_class() -> None:
    class Subclass(dict[int, int]):
        pass

    bound_before = typed(Subclass).fromkeys
    with hotpatch(new, vars(dict)["fromkeys"]) as patch:
        assert typed(dict).fromkeys([1]) == ("new", (dict, [1]), {})
        assert typed({}).fromkeys([1]) == ("new", (dict, [1]), {})
        assert typed(Subclass).fromkeys([1]) == ("new", (Subclass, [1]), {})
        assert bound_before([1]) == ("new", (Subclass, [1]), {})
        original = patch.original
        assert type(original) is types.ClassMethodDescriptorType
        assert original.__get__(None, dict)([1]) == {1: None}
    assert dict.fromkeys([1]) == {1: None}


def test_a_bound_method_changes_for_its_receiver_alone() -> None:
    one, other = typed([3, 1]), typed([3, 1])
    stored_before = one.copy
    with hotpatch(lambda: "new", one.copy) as patch:
        assert one.copy() == stored_before() == "new"
        assert other.copy() == [3, 1]
        assert typed(list).copy(one) == "new"
        assert patch.original() == [3, 1]
        assert patches(one.copy) == [patch]
        assert patches(other.copy) == patches(list.copy) == []
    assert one.copy() == stored_before() == [3, 1]


def test_types_that_share_a_definition_are_apart() -> None:
    """As the iterators of a dict do (`dictiter_methods` in Objects/dictobject.c)."""
    keys, items = typed(iter({1: 2})), typed(iter({1: 2}.items()))
    with hotpatch(lambda self: "keys", typed(type(keys)).__length_hint__):
        assert keys.__length_hint__() == "keys"
        assert items.__length_hint__() == 1
        with hotpatch(lambda self: "items", typed(type(items)).__length_hint__):
            assert (keys.__length_hint__(), items.__length_hint__()) == ("keys", "items")
        assert (keys.__length_hint__(), items.__length_hint__()) == ("keys", 1)
    assert (keys.__length_hint__(), items.__length_hint__()) == (1, 1)


def test_a_default_factory_that_was_stored_before_sees_the_change() -> None:
    factory: Any = collections.defaultdict(datetime.datetime.now)
    frozen = datetime.datetime(2020, 1, 2)

    class Subclass(datetime.datetime):
        pass

    with hotpatch(lambda tz=None: frozen, datetime.datetime.now):
        assert factory["any"] is frozen
        assert datetime.datetime.now() is frozen
        assert datetime.datetime.now(tz=None) is frozen
        assert Subclass.now() is not frozen
    assert datetime.datetime.now() != frozen


def test_a_method_that_a_module_exports_changes_everywhere() -> None:
    stored = random.random
    other = random.Random()
    with hotpatch(lambda: 0.25, random.random):
        assert random.random() == stored() == 0.25
        assert random.uniform(0, 8) == 2.0
        assert other.random() != 0.25
    assert random.random() != 0.25


def test_a_method_of_everyone_and_one_of_a_receiver_are_apart() -> None:
    one, other = "one", "other"
    everyone = hotpatch(lambda self: f"everyone {self}", str.upper)
    single = hotpatch(lambda: "single", one.upper)
    assert (one.upper(), other.upper()) == ("single", "everyone other")
    everyone.undo()
    assert (one.upper(), other.upper()) == ("single", "OTHER")
    single.undo()
    assert (one.upper(), other.upper()) == ("ONE", "OTHER")


@pytest.mark.parametrize("target", ["descriptor", "bound"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_patches_are_undone_in_any_order(target: str, order: tuple[int, ...]) -> None:
    text = "text"
    handles: list[Patch] = []

    def layer(index: int) -> Function:
        return lambda *arguments: f"{index} {handles[index].original(*arguments)}"

    for index in range(3):
        handles.append(hotpatch(layer(index), str.upper if target == "descriptor" else text.upper))
    originals = [handle.original for handle in handles]
    arguments = (text,) if target == "descriptor" else ()
    assert text.upper() == "2 1 0 TEXT"
    left = [0, 1, 2]
    for index in order:
        handles[index].undo()
        left.remove(index)
        assert text.upper() == " ".join([*map(str, reversed(left)), "TEXT"])
        for above in left:
            below = [str(i) for i in reversed(left) if i < above]
            assert originals[above](*arguments) == " ".join([*below, "TEXT"])


def test_a_replacement_can_undo_its_patch_and_call_the_method() -> None:
    def replacement(self: str) -> str:
        patch.undo()
        return f"new {self.upper()}"

    patch = hotpatch(replacement, str.upper)
    assert "text".upper() == "new TEXT"
    assert "text".upper() == "TEXT"


def test_methods_can_replace_methods() -> None:
    with hotpatch(str.lower, str.upper), hotpatch(str.upper, str.lower):
        assert "Text".upper() == "text"
        assert "Text".lower() == "text"  # what upper did when that patch was made
    assert ("Text".upper(), "Text".lower()) == ("TEXT", "text")


def test_the_handle_shows_what_is_patched() -> None:
    with hotpatch(new, str.upper) as patch, hotpatch(new, datetime.datetime.now) as bound:
        assert repr(patch).startswith("<Patch of str.upper by test_c_methods at ")
        assert repr(bound).startswith("<Patch of datetime.now by test_c_methods at ")
        assert patch.target is vars(str)["upper"]
        assert bound.target == datetime.datetime.now
        assert patch.replacement is bound.replacement is new


def test_what_others_put_in_a_definition_meanwhile_is_what_undo_restores() -> None:
    """As time-machine does, which writes the address of a function there."""

    def function(method: Any) -> ctypes.c_void_p:
        word = ctypes.sizeof(ctypes.c_void_p)
        # PyMethodDescrObject: head, type, name, qualname, method; PyMethodDef: name, function.
        definition = ctypes.c_void_p.from_address(id(method) + object.__basicsize__ + 3 * word)
        return ctypes.c_void_p.from_address((definition.value or 0) + word)

    number = typed(1.5)
    hotpatch(lambda self: "new", float.hex).undo()
    field, own = function(float.hex), function(float.hex).value
    field.value = function(float.is_integer).value
    try:
        assert number.hex() is False
        with hotpatch(lambda self: "new", float.hex) as patch:
            assert number.hex() == "new"
            original: Any = patch.original
            assert original(number) is False
        assert number.hex() is False
    finally:
        field.value = own
    assert number.hex() == "0x1.8000000000000p+0"


def test_the_original_of_a_bound_method_knows_the_class_that_defines_it() -> None:
    """Methods of `array.array` look in that class for the state of their module (3.12)."""

    class Subclass(array.array):  # type: ignore[type-arg]
        pass

    values = typed(Subclass("b", [1]))
    with hotpatch(lambda other: "new", values.extend) as patch:
        assert values.extend([2]) == "new"
        patch.original([2])
    assert values.tolist() == [1, 2]


def test_nothing_of_a_bound_method_is_kept_after_undo() -> None:
    class Values(list[int]):
        pass

    values = typed(Values([1]))
    gone = weakref.ref(values)
    patch = hotpatch(lambda: "new", values.copy)
    assert values.copy() == "new"
    patch.undo()
    del patch, values
    gc.collect()
    assert gone() is None


def test_many_patches_and_undos_keep_no_memory() -> None:
    text = "text"

    def rounds(times: int) -> None:
        for _ in range(times):
            hotpatch(typed(str), str.upper).undo()
            hotpatch(str, text.lower).undo()

    rounds(500)
    gc.collect()
    before = sys.getallocatedblocks()
    rounds(50_000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 200


REFUSED: dict[str, tuple[Any, str, tuple[int, int]]] = {
    "list.append": (list.append, "an instruction of its own", (3, 11)),
    "[].append": ([].append, "an instruction of its own", (3, 11)),
    "method with a slot": (dict.__getitem__, "C slot", (3, 10)),
    "bound method with a slot": ({}.__getitem__, "C slot", (3, 10)),
    "slot wrapper": (int.__add__, "slot", (3, 10)),
    "method wrapper": ((1).__add__, "slot", (3, 10)),
    "generator.send": (types.GeneratorType.send, "C slot", (3, 10)),
    "attribute": (vars(types.FunctionType)["__code__"], "attribute", (3, 10)),
    "member": (vars(slice)["start"], "attribute", (3, 10)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_called_through_the_method_is_refused(name: str) -> None:
    target, why, since = REFUSED[name]
    if sys.version_info < since:
        return
    text = re.escape(f"cannot patch {target!r} in place: ")
    with pytest.raises(TypeError, match=f"^{text}.*{why}.*; patch "):
        hotpatch(new, target)


def test_more_than_there_is_room_for_are_refused() -> None:
    """An original that does not call the C function takes a place of its own."""
    text = typed("any")
    handles = [hotpatch(lambda: "below", text.upper)]

    def patch_and_ask_for_originals(times: int) -> None:
        for _ in range(times):
            handles.append(hotpatch(lambda: "above", text.upper))
            assert handles[-1].original is not None

    try:
        with pytest.raises(PatchError, match="1024 C methods are patched already"):
            patch_and_ask_for_originals(1200)
        assert text.upper() == "above"
    finally:
        for handle in handles:
            handle.undo()
    assert text.upper() == "ANY"


def test_the_interpreter_can_end_with_methods_and_wrappers_patched() -> None:
    output = script.run("""
        import functools
        from hotpatch import hotpatch

        class Last:
            def __del__(self, print=print):
                print("last", (1.5).hex() in ("patched", "0x1.8000000000000p+0"))

            def __call__(self, *arguments):
                return "patched"

        cache, part, number = functools.lru_cache(len), functools.partial(len), 1.5
        for target in (float.hex, number.is_integer, bytes.fromhex, cache, part):
            hotpatch(Last(), target)
        print(number.hex(), number.is_integer(), cache("a"), part("a"))
        """)
    lines = output.splitlines()
    assert lines[0] == "patched patched patched patched"
    assert set(lines[1:]) <= {"last True"}


@pytest.mark.skipif(sys.version_info < (3, 13), reason="there is no JIT compiler before 3.13")
def test_traces_see_the_change() -> None:
    text = """
from hotpatch import hotpatch

def run(times):
    found, table = 0, {1: 2}
    for _ in range(times):
        found += table.get(1) + len("text".upper())
    return found

for _ in range(5):
    assert run(20000) == 120000
    with hotpatch(lambda self, key: 10, dict.get), hotpatch(lambda self: "", str.upper):
        assert run(20000) == 200000
    assert run(20000) == 120000
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHON_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
