"""Promise 3: the mocks of unittest are replacements, and record the calls as they were made."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from hotpatch import hotpatch


def target(a: int, b: int = 2) -> Any:
    return "old", a, b


async def async_target(a: int, b: int = 2) -> Any:
    return "old", a, b


class Service:
    def method(self, a: int, b: int = 2) -> Any:
        return "old", a, b

    async def async_method(self, a: int, b: int = 2) -> Any:
        return "old", a, b

    @classmethod
    def by_class(cls, a: int, b: int = 2) -> Any:
        return "old", a, b

    def __call__(self, a: int, b: int = 2) -> Any:
        return "called", a, b


class AsyncService:
    async def __call__(self, a: int, b: int = 2) -> Any:
        return "called", a, b


MOCKS: dict[str, Callable[[], Any]] = {
    "Mock": lambda: mock.Mock(return_value="new"),
    "MagicMock": lambda: mock.MagicMock(return_value="new"),
    "named": lambda: mock.Mock(name="name", return_value="new"),
    "attribute of a mock": lambda: mock.Mock(**{"part.return_value": "new"}).part,
    "Mock with a spec": lambda: mock.Mock(spec=target, return_value="new"),
    "MagicMock with a spec": lambda: mock.MagicMock(spec=target, return_value="new"),
    "with a strict spec": lambda: mock.Mock(spec_set=target, return_value="new"),
    "with an object as spec": lambda: mock.Mock(spec=Service(), return_value="new"),
    "create_autospec": lambda: mock.create_autospec(target, return_value="new"),
    "autospec of an object": lambda: mock.create_autospec(Service(), return_value="new"),
    "autospec of a method": lambda: bound_autospec("method"),
}


def bound_autospec(name: str) -> Any:
    method = getattr(mock.create_autospec(Service, instance=True), name)
    method.return_value = "new"
    return method


@pytest.mark.parametrize("make", MOCKS.values(), ids=MOCKS)
def test_a_mock_is_called_and_records_the_calls(make: Callable[[], Any]) -> None:
    """As the caller made them: an assertion on a default that he left to the callee must fail."""
    replacement = make()
    with hotpatch(replacement, target):
        assert (target(1), target(1, b=3)) == ("new", "new")
    assert target(1) == ("old", 1, 2)
    assert replacement.call_args_list == [mock.call(1), mock.call(1, b=3)]


def test_a_mock_can_be_told_what_to_do_while_it_is_applied() -> None:
    replacement = mock.Mock()
    with hotpatch(replacement, target):
        replacement.return_value = "one"
        assert target(1) == "one"
        replacement.side_effect = ["two", KeyError("three")]
        assert target(1) == "two"
        with pytest.raises(KeyError, match="three"):
            target(1)
        replacement.side_effect = lambda a: a + 1
        assert target(1) == 2


def test_a_mock_can_wrap_the_original() -> None:
    with hotpatch(target, target) as frozen:
        replacement = mock.Mock(wraps=frozen.original)
        with hotpatch(replacement, target):
            assert target(1, b=3) == ("old", 1, 3)
    replacement.assert_called_once_with(1, b=3)


def test_a_mock_sees_the_instance() -> None:
    """As with `mock.patch.object(..., autospec=True)`, and unlike without."""
    replacement, service = mock.Mock(), Service()
    with hotpatch(replacement, Service.method):
        service.method(1)
    replacement.assert_called_once_with(service, 1)


def test_an_autospec_of_a_method_sees_the_instance_and_checks_the_rest() -> None:
    replacement = mock.create_autospec(Service.method)
    service: Any = Service()
    with hotpatch(replacement, Service.method):
        service.method(1)
        with pytest.raises(TypeError, match="too many"):
            service.method(1, 2, 3)
    replacement.assert_called_once_with(service, 1)


def test_an_autospec_checks_the_arguments() -> None:
    wrong: Any = target
    with hotpatch(mock.create_autospec(target), target):
        for arguments in [(), (1, 2, 3)]:
            with pytest.raises(TypeError, match=r"missing|too many"):
                wrong(*arguments)


def test_a_mock_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="not callable"), hotpatch(mock.NonCallableMock(), target):
        pass
    assert target(1) == ("old", 1, 2)


ASYNC_MOCKS: dict[str, Callable[[], Any]] = {
    "AsyncMock": lambda: mock.AsyncMock(return_value="new"),
    "AsyncMock with a spec": lambda: mock.AsyncMock(spec=async_target, return_value="new"),
    "AsyncMock with a sync spec": lambda: mock.AsyncMock(spec=target, return_value="new"),
    "Mock with an async spec": lambda: mock.Mock(spec=async_target, return_value="new"),
    "MagicMock with an async spec": lambda: mock.MagicMock(spec=async_target, return_value="new"),
    "attribute of an AsyncMock": lambda: mock.AsyncMock(**{"part.return_value": "new"}).part,
    "create_autospec": lambda: mock.create_autospec(async_target, return_value="new"),
    "autospec of a method": lambda: bound_autospec("async_method"),
}


@pytest.mark.parametrize("make", ASYNC_MOCKS.values(), ids=ASYNC_MOCKS)
def test_an_async_mock_is_awaited_and_records_the_calls(make: Callable[[], Any]) -> None:
    replacement = make()

    async def use() -> list[Any]:
        return [await async_target(1), await async_target(1, b=3)]

    with hotpatch(replacement, async_target):
        assert inspect.iscoroutinefunction(async_target)
        assert asyncio.run(use()) == ["new", "new"]
    assert asyncio.run(use()) == [("old", 1, 2), ("old", 1, 3)]
    assert replacement.await_args_list == [mock.call(1), mock.call(1, b=3)]


def test_an_async_mock_raises_in_the_one_who_awaits() -> None:
    replacement = mock.AsyncMock(side_effect=KeyError("missing"))
    with hotpatch(replacement, async_target):
        coroutine = async_target(1)
        with pytest.raises(KeyError, match="missing"):
            asyncio.run(coroutine)
    replacement.assert_awaited_once_with(1)


def test_an_async_mock_for_a_method_sees_the_instance() -> None:
    replacement, service = mock.AsyncMock(), Service()
    with hotpatch(replacement, Service.async_method):
        asyncio.run(service.async_method(1))
    replacement.assert_awaited_once_with(service, 1)


@pytest.mark.parametrize("make", ASYNC_MOCKS.values(), ids=ASYNC_MOCKS)
def test_no_async_mock_replaces_a_plain_function(make: Callable[[], Any]) -> None:
    kinds = pytest.raises(TypeError, match=r"plain function .* coroutine function")
    with kinds, hotpatch(make(), target):
        pass
    assert target(1) == ("old", 1, 2)


@pytest.mark.parametrize("make", MOCKS.values(), ids=MOCKS)
def test_no_plain_mock_replaces_a_coroutine_function(make: Callable[[], Any]) -> None:
    kinds = pytest.raises(TypeError, match=r"coroutine function .* plain function")
    with kinds, hotpatch(make(), async_target):
        pass
    assert asyncio.run(async_target(1)) == ("old", 1, 2)
