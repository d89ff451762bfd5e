"""After any edits modules that take names from each other are what fresh imports would make them.

And what they were before, object by object, after one that fails in whatever file.
"""

import os
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from hotpatch import Reload, ReloadError, reload
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MODULES = ["reload_first", "reload_second", "reload_third"]
Texts = dict[str, str]


@st.composite
def texts(draw: st.DrawFn) -> Texts:
    """Write modules, each of which imports from those before."""
    return {name: draw(text(MODULES[:index])) for index, name in enumerate(MODULES)}


@st.composite
def text(draw: st.DrawFn, helpers: list[str]) -> str:
    number = st.integers(1, 3).map(str)
    parts = [f"X = {draw(number)}\n", "Y = X + 1\n", f"Z = (Y, {draw(number)}, str(X))\n"]
    head = "".join(f"import {it}\nfrom {it} import X as X_{it}, f as f_{it}\n" for it in helpers)
    for it in helpers:
        parts += draw(st.sampled_from([[], [f"W_{it} = X_{it} * 2\n", f"V_{it} = W_{it} + Y\n"]]))
    names = draw(st.lists(st.sampled_from("gh"), unique=True))
    parts += [draw(function(name)) for name in ("f", *names)]
    parts += draw(st.sampled_from([[], [draw(block())], [draw(block()), draw(table())]]))
    parts += draw(st.sampled_from([[], [f"class A:\n    a = {draw(number)}\n    b = (a,)\n"]]))
    # What is computed of others comes after those.
    return head + "".join(parts)


@st.composite
def function(draw: st.DrawFn, name: str) -> str:
    decorator = draw(st.sampled_from(["", "", "@staticmethod\n"]))
    default = draw(st.sampled_from(["", "=1", "=2", "=X", "=(Y, 1)"]))
    number = draw(st.integers(1, 3))
    body = draw(
        st.sampled_from(
            [
                f"    return {number}\n",
                "    return X, Y\n",
                f"    def inner(b={number}): return b\n    return inner()\n",
            ]
        )
    )
    return f"{decorator}def {name}(a{default}):\n{body}"


@st.composite
def block(draw: st.DrawFn) -> str:
    one, other = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    return draw(
        st.sampled_from(
            [
                f"if X:\n    B = {one}\n    def k(): return {one}\n"
                f"else:\n    B = {other}\n    def k(): return {other}\n",
                f"try:\n    B = {one}\n    import there_is_none\nexcept ImportError:\n    pass\n",
            ]
        )
    )


@st.composite
def table(draw: st.DrawFn) -> str:
    one = draw(st.integers(1, 2))
    return f"T = {{'a': lambda: {one}, 'b': lambda x: x + {one}}}\nL = lambda: {one}\n"


def seen(value: object, known: dict[int, int] | None = None) -> Any:
    """Return what can be seen of a value, and with `known` also which objects it consists of."""
    identity = None
    if known is not None and not isinstance(value, (str, int)):
        identity = id(value)
        if identity in known:
            return "known", known[identity]
        known[identity] = len(known)
    return type(value).__name__, identity, [*parts(value, known)]


def parts(value: Any, known: dict[int, int] | None) -> Iterator[Any]:
    if isinstance(value, FunctionType):
        yield lines(value.__code__)
        yield value.__name__, value.__qualname__, value.__doc__, sorted(vars(value))
        yield seen(value.__defaults__, known), seen(value.__annotations__.copy())
        yield [seen(it.cell_contents, known) for it in value.__closure__ or ()]
    elif isinstance(value, staticmethod):
        yield seen(value.__func__, known)
    elif isinstance(value, type):
        names = {**vars(value)}
        yield [(it, seen(names[it], known)) for it in sorted(names) if not it.startswith("__")]
    elif isinstance(value, dict):
        yield [(key, seen(it, known)) for key, it in value.items()]
    elif isinstance(value, (tuple, list)):
        yield [seen(it, known) for it in value]
    else:
        yield value


def lines(code: CodeType) -> object:
    inner = [lines(it) for it in code.co_consts if isinstance(it, CodeType)]
    return code.co_name, [line for _, _, line in code.co_lines()], inner


def state(modules: list[ModuleType], known: dict[int, int] | None = None) -> Any:
    return {
        (module.__name__, name): seen(value, known)
        for module in modules
        for name, value in sorted(vars(module).items())
        if not name.startswith("__") and not isinstance(value, ModuleType)
    }


class Subjects:
    """Modules that are edited again and again."""

    def __init__(self, folder: str, texts: Texts) -> None:
        self.files = {name: os.path.join(folder, f"{name}.py") for name in texts}
        self.write(texts)
        self.modules = self.make(texts)
        reload(*self.modules)

    def make(self, texts: Texts) -> list[ModuleType]:
        modules = []
        for name, text in texts.items():
            modules.append(module := ModuleType(name))
            module.__file__ = self.files[name]
            sys.modules[name] = module
            exec(compile(text, self.files[name], "exec"), vars(module))
        return modules

    def write(self, texts: Texts) -> None:
        for name, text in texts.items():
            with open(self.files[name], "w", encoding="utf-8") as stream:
                stream.write(text)

    def check(self, texts: Texts) -> None:
        """See that the modules are what texts make."""
        now = state(self.modules)
        fresh = state(self.make(texts))
        for module in self.modules:
            sys.modules[module.__name__] = module
        differ = {key for key in now.keys() | fresh.keys() if now.get(key) != fresh.get(key)}
        assert {key: now.get(key) for key in differ} == {key: fresh.get(key) for key in differ}


@settings(
    max_examples=int(os.environ.get("HOTPATCH_FUZZ", "7")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    sequence=st.lists(st.tuples(texts(), st.sampled_from([None, *MODULES])), min_size=2, max_size=4)
)
def test_modules_are_what_their_last_texts_say(
    sequence: list[tuple[Texts, str | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    last = sequence[0][0]
    subjects = Subjects(str(tmp_path_factory.mktemp("reload")), last)
    try:
        for new, failing in sequence[1:]:
            if failing:
                before = state(subjects.modules, {})
                subjects.write({**new, failing: f"{new[failing]}1 / 0\n"})
                with pytest.raises(ReloadError, match="ZeroDivisionError"):
                    reload(*subjects.modules)
                assert state(subjects.modules, {}) == before
            subjects.write(new)
            report: Reload = reload(*subjects.modules)
            subjects.check(new)
            report.revert()
            subjects.check(last)
            reload(*subjects.modules)
            subjects.check(new)
            last = new
    finally:
        for name in MODULES:
            sys.modules.pop(name, None)
