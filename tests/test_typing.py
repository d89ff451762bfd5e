"""The types say what the code does: to mypy and pyright, for a user, and to stubtest."""

import importlib.util
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mypy") is None,
    reason="mypy is not installed here: it is in the dependency group `dev`, not in `test`",
)

needs_pyright = pytest.mark.skipif(
    importlib.util.find_spec("basedpyright") is None,
    reason="pyright is not installed here: it is in the dependency group `dev`, not in `test`",
)

# What users write, with the types that they get. A line that must be an error says which one, and
# both checkers report a `type: ignore` that is not needed.
SNIPPETS = {
    "handle": """
        patch = hotpatch(g, f)
        handle: Patch[[int], str] = patch
        assert_type(patch.how, Literal["replace", "around", "before", "after", "error"])
        assert_type(patch.order, int)
        assert_type(patch.replacement, Callable[..., Any] | str | None)
        assert_type(patch.active, bool)
        assert_type(patch.by, str)
        assert_type(patch.where, str)
        patch.undo()
    """,
    "functions_of_a_handle": """
        patch = hotpatch(g, f)
        result: str = patch.original(1)
        patch.original("x")  # type: ignore[arg-type]
        target: Callable[[int], str] | None = patch.target
        original: Callable[[int], str] = patch.original
        patch.target(1)  # type: ignore[misc]
        if patch.target is not None:
            result = patch.target(1)
            name: str = patch.target.__qualname__
            hotpatch(f, patch.target)
    """,
    "handle_cannot_be_changed": """
        patch = hotpatch(g, f)
        patch.active = False  # type: ignore[misc]
        patch.original = f  # type: ignore[misc]
    """,
    "handle_is_made_by_hotpatch_only": """
        class Mine(Patch):  # type: ignore[misc]
            pass
    """,
    "context_manager": """
        with hotpatch(g, f, by="me") as patch:
            handle: Patch[[int], str] = patch
    """,
    "block_that_always_returns": """
        def one() -> int:
            with hotpatch(g, f):  # swallows no exception, so nothing is missing after it
                return 1
    """,
    "replacements": """
        class Call:
            def __call__(self, a: int) -> str:
                return ""

        names: list[str] = []
        def anything(*args: Any, **kwargs: Any) -> Any: ...

        def wider(a: object) -> Text: ...

        def calls_itself(patch: Patch) -> None:
            patch = hotpatch(lambda: patch.original(), Text.create)

        for replacement in (f, g, Call(), anything, wider):
            handle: Patch[[int], str] = hotpatch(replacement, f)
        for mock in (Mock(), MagicMock(), create_autospec(f)):
            hotpatch(mock, f)
        handle = hotpatch(partial(g, b=2), f)
        handle = hotpatch(lambda a: str(a), f)
        handle = hotpatch(lambda a, b=1: str(a + b), f)
        handle = hotpatch(lambda *args, **kwargs: "", f)
        handle = hotpatch("def f(a): return 'new'", f)
        hotpatch(Text, Text.create)
        hotpatch(lambda: 0.5, time.time)
        hotpatch(lambda x: 1, len)
        hotpatch(1, f)  # type: ignore[call-overload]
    """,
    "wrong_parameters": """
        def text(a: str) -> str: ...

        def other_name(b: int) -> str: ...

        def one_more(a: int, b: int) -> str: ...

        hotpatch(text, f)  # type: ignore[arg-type]
        hotpatch(other_name, f)  # type: ignore[arg-type]
        hotpatch(one_more, f)  # type: ignore[arg-type]
        hotpatch(lambda: "", f)  # type: ignore[arg-type]
        hotpatch(int, f)  # type: ignore[arg-type]
    """,
    "wrong_results": """
        def number(a: int) -> int: ...

        def perhaps(a: int) -> str | None: ...

        async def later(a: int) -> str: ...

        async def number_later(a: int) -> int: ...

        hotpatch(number, f)  # type: ignore[arg-type]
        hotpatch(perhaps, f)  # type: ignore[arg-type]
        hotpatch(later, f)  # type: ignore[arg-type]
        hotpatch(f, later)  # type: ignore[arg-type]
        hotpatch(number_later, later)  # type: ignore[arg-type]
        hotpatch(partial(number), f)  # type: ignore[arg-type]
        hotpatch(lambda a: 1, f)  # type: ignore[arg-type]
        hotpatch(f, g)  # type: ignore[arg-type]
    """,
    "hooks": """
        def around(original: Callable[[int], str], a: int) -> str:
            return original(a) + "!"

        def around_anything(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...

        def wrong(original: Callable[[int], str], a: str) -> str:
            return a

        handle: Patch[[int], str] = hotpatch(around, f, how="around")
        hotpatch(around_anything, f, how="around", order=10)
        hotpatch(around_anything, json.dumps, how="around")
        hotpatch(lambda original, a: original(a), f, how="around")
        hotpatch("def f(original, a): return original(a)", f, how="around")
        hotpatch(wrong, f, how="around")  # type: ignore[call-overload]
        hotpatch(lambda: None, f, how="before")
        hotpatch(lambda a: None, f, how="before")
        hotpatch(1, f, how="before")  # type: ignore[call-overload]
        hotpatch(print, f, how="instead")  # type: ignore[call-overload]
    """,
    "observers_of_results": """
        def text(result: str, a: int) -> None: ...

        def keyword(result: str, *, a: int) -> None: ...

        def number(result: int) -> None: ...

        def nothing(result: None) -> None: ...

        async def later(a: int) -> str: ...

        def items() -> Iterator[int]: ...

        for hook in (text, keyword, print, Mock()):
            handle: Patch[[int], str] = hotpatch(hook, f, how="after")
            hotpatch(hook, later, how="after")
        hotpatch(lambda result, a: print(result, a), f, how="after")
        hotpatch(nothing, items, how="after")
        hotpatch(number, f, how="after")  # type: ignore[call-overload]
        hotpatch(number, later, how="after")  # type: ignore[call-overload]
        hotpatch(lambda: None, f, how="after")  # type: ignore[call-overload]
    """,
    "observers_of_errors": """
        def any_error(error: BaseException, a: int) -> None: ...

        def most_errors(error: Exception) -> None: ...

        def number(error: int) -> None: ...

        for hook in (any_error, most_errors, print, Mock()):
            handle: Patch[[int], str] = hotpatch(hook, f, how="error")
        hotpatch(lambda error, a: print(error, a), f, how="error")
        hotpatch(number, f, how="error")  # type: ignore[call-overload]
        hotpatch(lambda: None, f, how="error")  # type: ignore[call-overload]
    """,
    "targets": """
        class K:
            def method(self, a: int) -> str: ...

            @classmethod
            def of_class(cls, a: int) -> str: ...

            @staticmethod
            def static(a: int) -> str: ...

            @property
            def prop(self) -> int: ...

        def method(self: Any, a: int) -> str: ...

        def around(original: Callable[[Any, int], str], self: K, a: int) -> str: ...

        @lru_cache
        def cached(a: int) -> str: ...

        handle: Patch[[Any, int], str] = hotpatch(method, K().method)
        handle = hotpatch(method, K.of_class)
        handle = hotpatch(around, K().method, how="around")
        hotpatch(method, K.method).original(K(), 1)
        hotpatch(lambda self, a: str(a), K.method)
        hotpatch(f, K.method)  # type: ignore[arg-type]
        hotpatch(f, K.static)
        hotpatch(lambda self: 1, K.prop)
        loose: Patch[..., Any] = hotpatch(f, K.__dict__["static"])
        loose = hotpatch(f, cached)
        loose = hotpatch(f, "json:dumps")
        loose = hotpatch("def f(): pass", "json:dumps")
        hotpatch(g, target=f)
        hotpatch(g, None)  # type: ignore[call-overload]
        hotpatch(g)  # type: ignore[call-overload]
    """,
    "decorator": """
        @hotpatch(target=f, how="around")
        def decorated(original: Callable[[int], str], a: int) -> str:
            return original(a)

        result: str = decorated(f, 1)
    """,
    "descriptors": """
        def descriptors(
            c: classmethod[Any, [int], str], s: staticmethod[[int], str], p: property
        ) -> None:
            for target in (c, s, p):
                hotpatch(g, target)
            patches(c)
            patches(s)
            patches(p)
    """,
    "author": """
        hotpatch(g, f, by="me")
        hotpatch(g, f, "me")  # type: ignore[call-overload]
        hotpatch(g, f, by=1)  # type: ignore[call-overload]
    """,
    "list_of_patches": """
        assert_type(patches(), list[Patch])
        assert_type(patches(f), list[Patch])
        assert_type(patches(f, by="me"), list[Patch])
        for patch in patches(by="me"):
            patch.undo()
        patches(1)  # type: ignore[arg-type]
    """,
    "error": """
        try:
            hotpatch(g, f)
        except PatchError as error:
            problem: RuntimeError = error
    """,
    "hook": """
        patch: Patch

        def hook(a: int) -> str:
            result: str = patch.original(a)
            return result

        patch = hotpatch(hook, f)
    """,
}

HEAD = """
import json
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, Literal
from unittest.mock import MagicMock, Mock, create_autospec

from hotpatch import Patch, PatchError, hotpatch, patches
from typing_extensions import assert_type

def f(a: int) -> str:
    return str(a)

def g(a: int, b: int = 1) -> str:
    return str(a + b)

class Text(str):
    @staticmethod
    def create() -> "Text": ...
"""

# Pyright makes one type of two results, and takes the parameters that both functions have.
ONLY_FOR_MYPY = ["wrong_results"]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, "MYPYPATH": str(ROOT / "python")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def write_snippets(directory: Path) -> None:
    for name, snippet in SNIPPETS.items():
        (directory / f"{name}.py").write_text(HEAD + inspect.cleandoc(snippet), encoding="utf-8")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy says of all snippets, checked at once since starting it takes long."""
    directory = tmp_path_factory.mktemp("snippets")
    write_snippets(directory)
    options = [
        "--strict",
        "--disable-error-code=empty-body",
        "--config-file=",
        f"--cache-dir={directory / 'cache'}",
    ]
    outcome = run("mypy", *options, *map(str, sorted(directory.glob("*.py"))))
    assert outcome.returncode in (0, 1), outcome.stderr
    return outcome.stdout


@pytest.mark.parametrize("name", SNIPPETS)
def test_mypy_agrees_with_what_a_user_writes(name: str, report: str) -> None:
    complaints = [line for line in report.splitlines() if f"{name}.py:" in line]
    assert complaints == []


@pytest.fixture(scope="module")
def pyright_report(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("snippets")
    write_snippets(directory)
    settings = {
        "extraPaths": [str(ROOT / "python")],
        "typeCheckingMode": "standard",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (directory / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    outcome = run("basedpyright", "--pythonpath", sys.executable, "--project", str(directory))
    assert outcome.returncode in (0, 1), outcome.stderr
    return outcome.stdout


@needs_pyright
@pytest.mark.parametrize("name", [name for name in SNIPPETS if name not in ONLY_FOR_MYPY])
def test_pyright_agrees_with_what_a_user_writes(name: str, pyright_report: str) -> None:
    complaints = [line for line in pyright_report.splitlines() if f"{name}.py:" in line]
    assert complaints == []


def test_the_stub_says_what_the_extension_has() -> None:
    outcome = run(
        "mypy.stubtest", "hotpatch._native", "--mypy-config-file", str(ROOT / "pyproject.toml")
    )
    assert outcome.returncode == 0, outcome.stdout
