"""For pytest: the fixture `hotpatch`, whose patches are undone when the test ends."""

from __future__ import annotations

import contextlib
import functools
import inspect
import pkgutil
import sys
import types
from collections.abc import Generator, Iterator
from typing import Any
from unittest import mock

import pytest

from hotpatch import Patch, PatchError, atomic, patches
from hotpatch import hotpatch as apply

__all__ = ["HotpatchFixture"]

# What the fixtures that outlive a test have made.
_MADE_BY_FIXTURES = pytest.StashKey[list["HotpatchFixture"]]()


class HotpatchFixture:
    """What the fixture `hotpatch` gives: called like `hotpatch.hotpatch`, undone at teardown."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._made: list[Patch] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Patch as `hotpatch.hotpatch` does; undo it when the test ends.

        Raises whatever that raises.
        """
        outcome = apply(*args, **kwargs)
        if isinstance(outcome, Patch):
            return self._keep(outcome)

        def decorate(replacement: Any) -> Any:
            self._keep(apply(replacement, *args, **kwargs))
            return replacement

        return decorate

    def mock(self, target: Any, **kwargs: Any) -> Any:
        """Put an autospecced mock in the place of `target`, and return it.

        It has the signature of the target, and an awaitable result where that has one; a method
        gets the object as its first argument. `kwargs` go to `unittest.mock.create_autospec`, such
        as `return_value` and `side_effect`.

        Raises whatever `hotpatch.hotpatch` raises.
        """
        double = mock.create_autospec(_function_in(target), **kwargs)
        self._keep(apply(double, target))
        return double

    def spy(self, target: Any) -> Any:
        """Record the calls of `target`, which go on as before; return the autospecced mock.

        Raises whatever `hotpatch.hotpatch` raises.
        """
        function = _function_in(target)
        double = mock.create_autospec(function)
        recorder: Any = getattr(double, "mock") if inspect.isfunction(double) else double  # noqa: B009

        def call(*args: Any, **kwargs: Any) -> Any:
            return patch.original(*args, **kwargs)

        async def call_async(*args: Any, **kwargs: Any) -> Any:
            return await patch.original(*args, **kwargs)

        recorder.side_effect = call_async if inspect.iscoroutinefunction(function) else call
        with atomic():  # so that `patch` is there before the first call
            patch: Patch = apply(double, target)
        self._keep(patch)
        return double

    def _keep(self, patch: Patch) -> Patch:
        self._made.append(patch)
        self._stack.callback(patch.undo)
        return patch

    def _undo(self) -> None:
        waiting = [repr(patch) for patch in self._made if patch.pending]
        self._stack.close()
        if waiting:
            listed = "\n".join(f"  {patch}" for patch in waiting)
            pytest.fail(
                f"nothing has imported what these patches name:\n{listed}\n"
                "Correct the name, or leave the patch out.",
                pytrace=False,
            )


def _function_in(target: Any) -> Any:
    """The function that a patch of `target` changes, which has all its parameters."""
    if isinstance(target, str):
        module = target.partition(":")[0]
        if module not in sys.modules:
            raise PatchError(f"a mock looks like what it stands for, so import {module} before")
        target = pkgutil.resolve_name(target)
    while True:
        if isinstance(target, types.MethodType | classmethod | staticmethod):
            target = target.__func__
        elif isinstance(target, property) and target.fget is not None:
            target = target.fget
        elif isinstance(target, functools.cached_property):
            target = target.func
        else:
            return target


def _fixture(scope: Any, name: str) -> Any:
    @pytest.fixture(scope=scope, name=name)
    def fixture(request: pytest.FixtureRequest) -> Iterator[HotpatchFixture]:
        made = HotpatchFixture()
        if scope != "function":
            request.config.stash.setdefault(_MADE_BY_FIXTURES, []).append(made)
        try:
            yield made
        finally:
            made._undo()

    fixture.__doc__ = f"Call it like `hotpatch.hotpatch`: undone at the end of the {scope}."
    return fixture


hotpatch: Any = _fixture("function", "hotpatch")
module_hotpatch: Any = _fixture("module", "module_hotpatch")
session_hotpatch: Any = _fixture("session", "session_hotpatch")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--hotpatch-strict`."""
    parser.getgroup("hotpatch").addoption(
        "--hotpatch-strict",
        action="store_true",
        help="fail a test that leaves a patch behind",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember what was patched before the test and its fixtures."""
    item.stash[_BEFORE] = patches() if item.config.getoption("hotpatch_strict") else []
    return (yield)


_BEFORE = pytest.StashKey[list[Patch]]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """With `--hotpatch-strict`, fail if something is patched that was not."""
    outcome = yield
    if item.config.getoption("hotpatch_strict"):
        kept = [*item.stash[_BEFORE]]
        for made in item.config.stash.get(_MADE_BY_FIXTURES, []):
            kept += made._made
        left = [patch for patch in patches() if patch not in kept]
        if left:
            listed = "\n".join(f"  {patch!r}" for patch in left)
            for patch in left:
                with contextlib.suppress(Exception):
                    patch.undo()
            pytest.fail(f"the test has left patches behind, now undone:\n{listed}", pytrace=False)
    return outcome
