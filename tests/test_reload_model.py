"""After any edits a module is what a fresh import of its last text would be."""

import dataclasses
import inspect
import os
import re
import sys
from collections.abc import Iterator
from enum import EnumMeta
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from hotpatch import ReloadError, reload
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = ["f", "g", "h"]
CLASSES = ["A", "B"]


@st.composite
def functions(draw: st.DrawFn, name: str, *, is_method: bool = False) -> str:
    """Write one function, with what can change in it."""
    decorator = draw(st.sampled_from(["", "", "@passing\n", "@twice\n"]))
    default = draw(st.sampled_from(["", "=1", "=2", "=(1, 'a')"]))
    more = draw(st.sampled_from(["", ", *, k=1", ", *, k=2", ", **k"]))
    annotation = draw(st.sampled_from(["", ": int", ": 'text'"]))
    doc = draw(st.sampled_from(["", '    "doc"\n', '    "other"\n']))
    comment = draw(st.sampled_from(["", "    # why\n", "    # why\n\n"]))
    body = draw(
        st.sampled_from(
            [
                "    return 1, x\n",
                "    return 2, x\n",
                "    return [x for _ in range(2)]\n",
                "    def inner(y): return x, y\n    return inner(3)\n",
                "    def inner(y): return y, x\n    return inner(4)\n",
                "    return (lambda: x)(), (lambda: 5)()\n",
                "    return (lambda: 5)(), (lambda: x)()\n",
            ]
        )
    )
    first = "self, " if is_method else ""
    if is_method:
        decorator = ""
        body = draw(st.sampled_from([body, "    return super().__init__ and 1, x\n"]))
    return f"{decorator}def {name}({first}x{annotation}{default}{more}):\n{doc}{comment}{body}"


@st.composite
def classes(draw: st.DrawFn, name: str) -> str:
    """Write one class."""
    parts = [
        draw(functions(it, is_method=True))
        for it in draw(st.lists(st.sampled_from(NAMES), unique=True))
    ]
    parts += draw(st.sampled_from([[], ["a = 1\n"], ["a = 2\n"], ["b = 'x'\n", "a = 2\n"]]))
    parts = draw(st.permutations(parts)) or ["pass\n"]
    body = "".join(parts)
    return f"class {name}:\n" + "".join(f"    {line}\n" for line in body.splitlines())


@st.composite
def dataclass_texts(draw: st.DrawFn, name: str) -> str:
    """Write one dataclass, which may inherit from another."""
    options = ["", "(order=True)", "(eq=False)", "(kw_only=True)", "(slots=True)", "(repr=False)"]
    option = draw(st.sampled_from(options))
    # One with slots cannot get those of another base.
    base = draw(st.sampled_from(["", "(Base)"])) if "slots" not in option else ""
    x = draw(st.sampled_from(["x: int = 1\n", "x: int = 2\n", "x: float = field(default=3)\n"]))
    y = draw(st.sampled_from(["", "y: list = field(default_factory=list)\n", "y: int = 1\n"]))
    z = draw(st.sampled_from(["", "z: int = field(default=1, repr=False)\n", "_: KW_ONLY\n"]))
    w = draw(st.sampled_from(["", "w: ClassVar[int] = 1\n", "w: InitVar[int] = 1\n"]))
    methods = [
        *("", "def __eq__(self, other): return True\n", "def __repr__(self): return 'it'\n"),
        *("def __post_init__(self, *more): self.x = 5\n", "def __hash__(self): return 1\n"),
    ]
    method = draw(st.sampled_from(methods))
    doc = draw(st.sampled_from(["", "'doc'\n"]))
    body = doc + "".join(draw(st.permutations([x, y, z, w, method])))
    text = f"@dataclass{option}\nclass {name}{base}:\n"
    return text + "".join(f"    {line}\n" for line in body.splitlines())


@st.composite
def enum_texts(draw: st.DrawFn, name: str) -> str:
    """Write one enumeration."""
    base = draw(st.sampled_from(["Enum", "Enum", "IntEnum", "Flag"]))
    values = draw(st.sampled_from([st.sampled_from(["1", "2", "4"]), st.just("auto()")]))
    names = draw(st.lists(st.sampled_from(["P", "Q", "R"]), unique=True, min_size=1))
    parts = [f"{it} = {draw(values)}\n" for it in names]
    parts += draw(st.sampled_from([[], ["def f(self): return 1\n"], ["def f(self): return 2\n"]]))
    return f"class {name}({base}):\n" + "".join(f"    {line}" for line in parts)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Write a module."""
    parts = [draw(functions(name)) for name in draw(st.lists(st.sampled_from(NAMES), unique=True))]
    kinds = st.sampled_from([classes, classes, dataclass_texts, dataclass_texts, enum_texts])
    names = draw(st.lists(st.sampled_from(CLASSES), unique=True))
    parts += [draw(draw(kinds)(name)) for name in names]
    # Not one name twice: a statement that is still there does not run again.
    parts += draw(st.sampled_from([[], ["X = 1\n"], ["X = 2\n", "Y = 'y'\n"], ["Y = 'y'\n"]]))
    parts += draw(st.lists(st.sampled_from(["\n", "# z\n"]), max_size=3))
    base = draw(st.sampled_from(["b: int = 0", "b: int = 0\n    c: str = 'c'", "c: int = 0"]))
    start = (
        "from dataclasses import KW_ONLY, InitVar, dataclass, field\n"
        "from enum import Enum, Flag, IntEnum, auto\n"
        "from typing import ClassVar\n"
        f"@dataclass\nclass Base:\n    {base}\n"
        "def passing(f): return f\n"
        "def twice(f):\n"
        "    def call(*args, **keywords): return 2, f(*args, **keywords)\n"
        "    return call\n"
    )
    return start + "".join(draw(st.permutations(parts)))


def seen(module: ModuleType) -> dict[str, Any]:
    """Return what can be seen of a module."""
    return {name: shown(value) for name, value in vars(module).items() if not name.startswith("__")}


def shown(value: object) -> object:
    if isinstance(value, EnumMeta):
        values: dict[Any, Any] = value._value2member_map_
        members: dict[str, Any] = dict(value.__members__)
        known = [(name, it.name, it.value) for name, it in members.items()]
        functions = {
            name: shown(it) for name, it in vars(value).items() if name == "f" and callable(it)
        }
        names = {it: values[it].name for it in values}
        return "enum", known, [*value._member_names_], names, functions
    if isinstance(value, type):
        if value.__module__ != "reload_subject":
            return value
        if dataclasses.is_dataclass(value):
            return "dataclass", *shown_dataclass(value)
        members = {name: shown(it) for name, it in vars(value).items() if not name.startswith("__")}
        return "class", members
    if isinstance(value, FunctionType):
        return (
            lines(value.__code__),
            value.__doc__,
            value.__defaults__,
            value.__kwdefaults__,
            value.__annotations__,
            value.__qualname__,
            outcome(value),
        )
    return value


def shown_dataclass(cls: Any) -> Iterator[object]:
    yield [re.sub("0x\\w+", "0x", repr(it)) for it in cls.__dataclass_fields__.values()]
    yield str(inspect.signature(cls)), cls.__doc__, cls.__match_args__, cls.__hash__ is None
    # Bases can come later that have the last two (3.15).
    yield sorted(vars(cls).keys() - {"__annotations_cache__", "__dict__", "__weakref__"})
    first, second = cls(), cls()
    yield repr(first) if "__repr__" in vars(cls) else "", first == second
    yield [getattr(first, name, None) for name in "xyzwbc"]
    yield getattr(cls, "__lt__", None) is not None and first.__lt__(second)


def lines(code: CodeType) -> object:
    inner = [lines(it) for it in code.co_consts if isinstance(it, CodeType)]
    return code.co_name, [line for _, _, line in code.co_lines()], inner


def outcome(function: FunctionType) -> object:
    results: list[object] = []
    for arguments in ((), (object,), (int, "x")):
        try:
            results.append(re.sub(r"0x\w+", "0x", str(function(*arguments))))
        except TypeError as error:
            results.append(str(error))
        except Exception as error:
            results.append(repr(error))
    return results


class Subject:
    """One module that is edited again and again."""

    def __init__(self, path: str, text: str) -> None:
        self.file = path
        self.module = ModuleType("reload_subject")
        self.module.__file__ = path
        sys.modules["reload_subject"] = self.module  # dataclasses look there
        self.write(text)
        exec(compile(text, path, "exec"), vars(self.module))
        reload(self.module)

    def write(self, text: str) -> None:
        with open(self.file, "w", encoding="utf-8") as stream:
            stream.write(text)


@settings(
    max_examples=int(os.environ.get("HOTPATCH_FUZZ", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=st.lists(st.tuples(texts(), st.booleans()), min_size=2, max_size=5))
def test_a_module_is_what_its_last_text_says(
    sequence: list[tuple[str, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """And what it was before, after one that fails."""
    path = str(tmp_path_factory.mktemp("reload") / "reload_subject.py")
    subject = Subject(path, sequence[0][0])
    held = {name: value for name, value in vars(subject.module).items() if name in CLASSES}
    for text, is_to_fail in sequence[1:]:
        if is_to_fail:
            before = seen(subject.module)
            subject.write(f"{text}1 / 0\n")
            with pytest.raises(ReloadError, match="ZeroDivisionError"):
                reload(subject.module)
            assert seen(subject.module) == before
        subject.write(text)
        report = reload(subject.module)
        assert report.not_applied == []
        fresh = ModuleType("reload_subject")
        exec(compile(text, path, "exec"), vars(fresh))
        assert seen(subject.module) == seen(fresh)
        for name in CLASSES:
            if name in {it.qualname for it in report.stale}:
                held.pop(name, None)
            if name in held and name in vars(subject.module):
                assert vars(subject.module)[name] is held[name]
            else:
                held.pop(name, None)
