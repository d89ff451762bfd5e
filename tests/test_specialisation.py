"""Promise 10: call sites are specialised as before while a function is patched, and after undo.

From CPython 3.13 on, calls of a function that was changed in the official way are never specialised
again. What the sites return is the subject of `test_specialisation_results.py`.
"""

import dis
import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hotpatch import hotpatch

jit = getattr(sys, "_jit", None)
sees_instructions = pytest.mark.skipif(
    sys.version_info < (3, 12) or bool(jit and jit.is_enabled()),
    reason="dis shows no specialised instructions before 3.12, and none in traces",
)
# The just-in-time compiler is there from 3.14 on, if the interpreter was built with it.
has_jit = pytest.mark.skipif(
    not (jit and jit.is_available()), reason="this interpreter has no just-in-time compiler"
)

LOOP = """
def loop(thing):
    for _ in range(5000):
        {statement}
    return result
"""


class Site:
    """A statement, the function it calls, and its specialised instruction from each version on."""

    def __init__(
        self,
        statement: str,
        definition: str,
        instructions: dict[tuple[int, int], str],
        thing: Callable[[Any], Any] = lambda function: function,
    ) -> None:
        self.statement = statement
        self.definition = definition
        self.thing = thing
        known = [name for version, name in instructions.items() if version <= sys.version_info]
        self.instruction = known[-1] if known else None

    def function(self, mark: str, cells: bool = False) -> Any:
        namespace: dict[str, Any] = {"MARK": mark}
        definition = self.definition.replace("MARK", "cell") if cells else self.definition
        exec(f"def make(cell):\n    {definition}\n    return f", namespace)
        return namespace.pop("make")(mark)

    def loop(self) -> Any:
        """Make a loop of its own around the statement, with nothing specialised yet."""
        namespace: dict[str, Any] = {}
        exec(LOOP.format(statement=self.statement), namespace)
        return namespace["loop"]


def instance(**names: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make an instance of a class that has the function under the name given."""
    ((name, wrap),) = names.items()
    return lambda function: type("K", (), {name: wrap(function), "plain": 1})()


def plain(function: Any) -> Any:
    return function


def class_of_init(function: Any) -> Any:
    return type("K", (), {"__init__": function})


SITES = {
    "exact arguments": Site(
        "result = thing(1, 2)", "def f(a, b): return MARK", {(3, 12): "CALL_PY_EXACT_ARGS"}
    ),
    "defaults": Site(
        "result = thing(1)",
        "def f(a, b=2, c=3): return MARK",
        {(3, 12): "CALL_PY_WITH_DEFAULTS", (3, 13): "CALL_PY_GENERAL"},
    ),
    "keywords": Site(
        "result = thing(a=1)", "def f(a, *, b=2): return MARK", {(3, 14): "CALL_KW_PY"}
    ),
    "any number": Site(
        "result = thing(1, 2)", "def f(*rest): return MARK", {(3, 13): "CALL_PY_GENERAL"}
    ),
    "method": Site(
        "result = thing.method(1)",
        "def f(self, a): return MARK",
        {(3, 12): "CALL_PY_EXACT_ARGS"},
        instance(method=plain),
    ),
    "bound method": Site(
        "result = thing(1)",
        "def f(self, a): return MARK",
        {(3, 12): "CALL_BOUND_METHOD_EXACT_ARGS"},
        lambda function: function.__get__("self"),
    ),
    "bound method with defaults": Site(
        "result = thing(1)",
        "def f(self, a, b=2): return MARK",
        {(3, 13): "CALL_BOUND_METHOD_GENERAL"},
        lambda function: function.__get__("self"),
    ),
    "generator": Site(
        "for result in thing(1): pass", "def f(a): yield MARK", {(3, 12): "CALL_PY_EXACT_ARGS"}
    ),
    "loop over a generator": Site(
        "for result in thing(1): pass", "def f(a): yield MARK", {(3, 12): "FOR_ITER_GEN"}
    ),
    "property": Site(
        "result = thing.method",
        "def f(self): return MARK",
        {(3, 12): "LOAD_ATTR_PROPERTY"},
        instance(method=property),
    ),
    "__getattribute__": Site(
        "result = thing.plain",
        "def f(self, name): return MARK",
        {(3, 12): "LOAD_ATTR_GETATTRIBUTE_OVERRIDDEN"},
        instance(__getattribute__=plain),
    ),
    "__getitem__": Site(
        "result = thing[1]",
        "def f(self, key): return MARK",
        {(3, 12): "BINARY_SUBSCR_GETITEM", (3, 14): "BINARY_OP_SUBSCR_GETITEM"},
        instance(__getitem__=plain),
    ),
    "__len__": Site(
        "result = len(thing)",
        "def f(self): return len(MARK)",
        {(3, 12): "CALL_NO_KW_LEN", (3, 13): "CALL_LEN"},
        instance(__len__=plain),
    ),
    "__init__": Site(
        "result = thing(1).mark",
        "def f(self, a): self.mark = MARK",
        {(3, 13): "CALL_ALLOC_AND_ENTER_INIT"},
        class_of_init,
    ),
    "__init__ with defaults": Site(
        "result = thing(1).mark",
        "def f(self, a, b=2): self.mark = MARK",
        {(3, 14): "CALL_ALLOC_AND_ENTER_INIT"},
        class_of_init,
    ),
}
# Where this version of CPython has no instruction for a case, there is nothing to keep.
specialised = {name: site for name, site in SITES.items() if site.instruction}
every_site = pytest.mark.parametrize("site", specialised.values(), ids=specialised)


def is_specialised(site: Site, loop: Any) -> bool:
    instructions: Any = dis.get_instructions
    return site.instruction in [each.opname for each in instructions(loop, adaptive=True)]


def patched_itself(function: Any) -> Any:
    hotpatch(function, function)
    return function


REPLACEMENTS: dict[str, Callable[[Site], Any]] = {
    "function": lambda site: site.function("newer"),
    "function with a cell": lambda site: site.function("newer", cells=True),
    "patched function": lambda site: patched_itself(site.function("newer")),
}


@sees_instructions
@pytest.mark.parametrize("make", REPLACEMENTS.values(), ids=REPLACEMENTS)
@every_site
def test_a_site_is_specialised_before_a_patch_while_it_holds_and_after_undo(
    site: Site, make: Callable[[Site], Any]
) -> None:
    target, loop = site.function("old"), site.loop()
    thing = site.thing(target)
    before = loop(thing)
    assert is_specialised(site, loop)
    with hotpatch(make(site), target):
        assert loop(thing) != before
        assert is_specialised(site, loop)
    assert loop(thing) == before
    assert is_specialised(site, loop)


@sees_instructions
@every_site
def test_a_site_that_first_sees_the_patched_function_is_specialised(site: Site) -> None:
    target = site.function("old")
    thing = site.thing(target)
    with hotpatch(site.function("newer", cells=True), target):
        loop = site.loop()
        loop(thing)
        assert is_specialised(site, loop)
    loop = site.loop()
    loop(thing)
    assert is_specialised(site, loop)


@sees_instructions
@every_site
def test_a_site_is_specialised_whatever_the_order_of_undo(site: Site) -> None:
    target, loop = site.function("old"), site.loop()
    thing = site.thing(target)
    before = loop(thing)
    made = [hotpatch(site.function("newer" * number), target) for number in (1, 2, 3)]
    loop(thing)
    for patch in (made[1], made[2], made[0]):
        patch.undo()
        loop = site.loop()
        loop(thing)
        assert is_specialised(site, loop)
    assert loop(thing) == before


@sees_instructions
@every_site
def test_a_site_is_specialised_after_a_thousand_patches(site: Site) -> None:
    target, replacement, loop = site.function("old"), site.function("newer"), site.loop()
    thing = site.thing(target)
    loop(thing)
    for _ in range(1000):
        hotpatch(replacement, target).undo()
    loop(thing)
    assert is_specialised(site, loop)


@sees_instructions
@every_site
def test_a_site_that_uses_the_original_is_specialised(site: Site) -> None:
    target, loop = site.function("old"), site.loop()
    lower = hotpatch(site.function("lower"), target)
    upper = hotpatch(site.function("upper"), target)
    thing = site.thing(upper.original)
    results = [loop(thing)]
    assert is_specialised(site, loop)
    lower.undo()
    results.append(loop(thing))
    assert is_specialised(site, loop)
    assert results[0] != results[1]


@sees_instructions
@every_site
def test_a_site_of_the_replacement_stays_specialised(site: Site) -> None:
    target, replacement, loop = site.function("old"), site.function("newer"), site.loop()
    thing = site.thing(replacement)
    loop(thing)
    with hotpatch(replacement, target):
        loop(thing)
        assert is_specialised(site, loop)
    loop(thing)
    assert is_specialised(site, loop)


@sees_instructions
def test_a_site_is_specialised_for_the_function_generated_for_another_callable() -> None:
    site = SITES["exact arguments"]
    target, loop = site.function("old"), site.loop()
    with hotpatch(functools.partial(site.function("newer")), target):
        assert loop(target) == "newer"
        assert is_specialised(site, loop)


def test_function_watchers_hear_of_a_patch_and_of_its_undo() -> None:
    """Compilers that are extensions of CPython rely on them, from 3.12 on."""
    watchers = pytest.importorskip("_testcapi", reason="made for tests of CPython only")
    if not hasattr(watchers, "add_func_watcher"):
        pytest.skip("CPython has function watchers from 3.12 on")
    site = SITES["exact arguments"]
    target, replacement = site.function("old"), site.function("newer")
    heard: list[int] = []

    def watch(event: int, function: Any, value: Any) -> None:
        if function is target:
            heard.append(event)

    watcher = watchers.add_func_watcher(watch)
    try:
        patch = hotpatch(replacement, target)
        of_patch = len(heard)
        patch.undo()
    finally:
        watchers.clear_func_watcher(watcher)
    assert 0 < of_patch < len(heard)


@pytest.mark.timeout(300)
@has_jit
def test_results_are_right_with_the_just_in_time_compiler() -> None:
    """In a process of its own: the compiler is switched on when Python starts."""
    results = Path(__file__).with_name("test_specialisation_results.py")
    command = [sys.executable, "-X", "faulthandler", "-m", "pytest", "-q", str(results)]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=results.parent.parent,
        env={**os.environ, "PYTHON_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
