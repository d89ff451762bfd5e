"""The pytest plugin together with pytest-asyncio."""

import pytest

pytest_plugins = ["pytester"]

TESTS = """
import asyncio

import pytest
import pytest_asyncio
from hotpatch import patches

async def fetch(url):
    return f"content of {url}"

async def read(url):
    return await fetch(url)

async def chunks(url):
    yield "a"
    yield "b"

@pytest.fixture
def stubbed(hotpatch):
    return hotpatch.mock(fetch, return_value="stub")

@pytest_asyncio.fixture
async def patched_late(hotpatch):
    await asyncio.sleep(0)
    yield hotpatch(lambda original, url: original(url.upper()), fetch, how="around")
    await asyncio.sleep(0)

@pytest.mark.asyncio
async def test_a_mock_is_awaitable(stubbed):
    assert await read("x") == "stub"
    stubbed.assert_awaited_once_with("x")

@pytest.mark.asyncio
async def test_a_spy_awaits(hotpatch):
    spied = hotpatch.spy(fetch)
    assert await asyncio.gather(read("x"), read("y")) == ["content of x", "content of y"]
    assert spied.await_count == 2

@pytest.mark.asyncio
async def test_an_async_fixture_can_patch(patched_late):
    assert await read("x") == "content of X"

@pytest.mark.asyncio
async def test_an_async_generator(hotpatch):
    seen = []
    hotpatch(lambda result: seen.append("end"), chunks, how="after")
    assert [chunk async for chunk in chunks("x")] == ["a", "b"]
    assert seen == ["end"]

@pytest.mark.asyncio
async def test_a_patch_is_for_the_task_of_the_test(hotpatch):
    async def fake(url):
        return "fake"

    outside = asyncio.Event()
    results = []

    async def other():
        await outside.wait()
        results.append(await read("x"))

    before = asyncio.create_task(other())
    await asyncio.sleep(0)
    hotpatch(fake, fetch, scope="context")
    outside.set()
    await before
    assert results == ["content of x"]
    assert await asyncio.create_task(read("x")) == "fake"
    assert await read("x") == "fake"

@pytest.mark.asyncio
async def test_all_is_as_before():
    assert await read("x") == "content of x"
    assert patches() == []
"""


def test_async_tests_and_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    setting = "asyncio_default_fixture_loop_scope=function"
    options = ["-p", "no:cacheprovider", "-W", "error", "-o", setting, "--hotpatch-strict"]
    # In a process of its own, since this one has patches of its own.
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=6)
