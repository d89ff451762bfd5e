"""The types say what the code does: to mypy, for a user, and to stubtest, for the extension."""

import importlib.util
import inspect
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

# What users write, with the types that they get. A line that must be an error says which one:
# `mypy --strict` reports a `type: ignore` that is not needed.
SNIPPETS = {
    "handle": """
        patch = hotpatch(str.upper, f)
        handle: Patch[[int], str] = patch
        assert_type(patch.how, Literal["replace", "around", "before", "after", "error"])
        assert_type(patch.order, int)
        assert_type(patch.replacement, Callable[..., Any] | None)
        assert_type(patch.active, bool)
        assert_type(patch.by, str)
        assert_type(patch.where, str)
        patch.undo()
    """,
    "functions_of_a_handle": """
        patch = hotpatch(g, f)
        result: str = patch.original(1)
        patch.original("x")  # type: ignore[arg-type]
        assert_type(patch.target, Callable[..., Any] | None)
        original: Callable[[int], str] = patch.original
        patch.target(1)  # type: ignore[misc]
        if patch.target is not None:
            result = patch.target(1)
            name: str = patch.target.__qualname__
            hotpatch(g, patch.target)
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
        for replacement in (g, len, int, Call(), Mock(), partial(g, 1), names.append):
            hotpatch(replacement, f)
        hotpatch(lambda a: str(a), f)
        hotpatch(1, f)  # type: ignore[call-overload]
    """,
    "hooks": """
        def around(original: Callable[[int], str], a: int) -> str:
            return original(a) + "!"

        def around_anything(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...

        def wrong(original: Callable[[int], str], a: str) -> str:
            return a

        handle: Patch[[int], str] = hotpatch(around, f, how="around")
        hotpatch(around_anything, f, how="around", order=10)
        hotpatch(wrong, f, how="around")  # type: ignore[call-overload]
        hotpatch(lambda: None, f, how="before")
        hotpatch(lambda result, a: print(result, a), f, how="after")
        hotpatch(print, f, how="error")
        hotpatch(1, f, how="before")  # type: ignore[call-overload]
        hotpatch(print, f, how="instead")  # type: ignore[call-overload]
    """,
    "targets": """
        class K:
            def method(self) -> int:
                return 1

            @classmethod
            def of_class(cls) -> int:
                return 1

            @staticmethod
            def static() -> int:
                return 1

            @property
            def prop(self) -> int:
                return 1

        hotpatch(g, K.method)
        hotpatch(g, K().method)
        hotpatch(g, K.of_class)
        hotpatch(g, K.static)
        hotpatch(g, K.prop)
        hotpatch(g, K.__dict__["static"])
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
from collections.abc import Callable
from functools import partial
from typing import Any, Literal
from unittest.mock import Mock

from hotpatch import Patch, PatchError, hotpatch, patches
from typing_extensions import assert_type

def f(a: int) -> str:
    return str(a)

def g(a: int, b: int = 1) -> str:
    return str(a + b)
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, "MYPYPATH": str(ROOT / "python")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy says of all snippets, checked at once since starting it takes long."""
    directory = tmp_path_factory.mktemp("snippets")
    for name, snippet in SNIPPETS.items():
        (directory / f"{name}.py").write_text(HEAD + inspect.cleandoc(snippet), encoding="utf-8")
    options = ["--strict", "--config-file=", f"--cache-dir={directory / 'cache'}"]
    outcome = run("mypy", *options, *map(str, sorted(directory.glob("*.py"))))
    assert outcome.returncode in (0, 1), outcome.stderr
    return outcome.stdout


@pytest.mark.parametrize("name", SNIPPETS)
def test_mypy_agrees_with_what_a_user_writes(name: str, report: str) -> None:
    complaints = [line for line in report.splitlines() if f"{name}.py:" in line]
    assert complaints == []


def test_the_stub_says_what_the_extension_has() -> None:
    outcome = run(
        "mypy.stubtest", "hotpatch._native", "--mypy-config-file", str(ROOT / "pyproject.toml")
    )
    assert outcome.returncode == 0, outcome.stdout
