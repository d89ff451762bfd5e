"""The pytest plugin, in test runs of its own."""

import pytest

pytest_plugins = ["pytester"]

MODULE = """
import asyncio
import functools
import time
from unittest import mock

import pytest
from hotpatch import patches

def price(net, tax=2, *, rounded=False):
    return net + tax

async def fetch(url):
    return f"content of {url}"

class Shop:
    def sell(self, what, count=1):
        return f"{count} {what}"

    @classmethod
    def of_class(cls, x):
        return x

    @staticmethod
    def static(x):
        return x

    @property
    def name(self):
        return "name"
"""


def run(pytester: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(shop=MODULE, test_shop=f"from shop import *\nimport shop\n{text}")
    # In a process of its own, since this one has patches of its own.
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)


def test_patches_are_undone_whatever_happens(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_fails(hotpatch):
            hotpatch(lambda net: "first", price)
            patch = hotpatch(lambda net: "second", price)
            assert patch.by == __name__
            assert price(1) == "second"
            @hotpatch(target=Shop.sell, how="before", by="me")
            def watch(self, what):
                pass
            assert patches(Shop.sell)[0].by == "me"
            raise KeyError

        def test_all_is_as_before(hotpatch):
            assert patches() == []
            assert price(1) == 3
            hotpatch(lambda net: "undone by hand", price).undo()

        @pytest.fixture
        def broken(hotpatch):
            hotpatch(lambda net: "new", price)
            raise KeyError

        def test_with_a_broken_fixture(broken):
            pass

        def test_all_is_as_before_again():
            assert patches() == []
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(passed=2, failed=1, errors=1)


def test_mock_and_spy(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_mock(hotpatch):
            mocked = hotpatch.mock(price, return_value=5)
            assert price(1) == shop.price(1) == 5
            mocked.assert_called_with(1)
            with pytest.raises(TypeError):
                price()

        def test_mock_of_methods(hotpatch):
            it = Shop()
            sell = hotpatch.mock(Shop.sell, side_effect=lambda self, what: what.upper())
            assert it.sell("tea") == "TEA"
            sell.assert_called_once_with(it, "tea")
            bound = hotpatch.mock(it.sell, return_value="bound")
            assert Shop().sell("x") == "bound"
            of_class = hotpatch.mock(Shop.of_class, return_value=1)
            assert Shop.of_class(2) == 1
            of_class.assert_called_once_with(Shop, 2)
            static = hotpatch.mock(Shop.static, return_value=1)
            assert it.static(2) == 1
            static.assert_called_once_with(2)
            hotpatch.mock(Shop.__dict__["name"], return_value="mocked")
            assert it.name == "mocked"

        def test_mock_of_a_coroutine_function(hotpatch):
            mocked = hotpatch.mock(fetch, return_value="mocked")
            assert asyncio.run(fetch("/")) == "mocked"
            mocked.assert_awaited_once_with("/")

        def test_mock_of_a_builtin(hotpatch):
            mocked = hotpatch.mock(time.time, return_value=5.0)
            assert time.time() == 5.0
            mocked.assert_called_once_with()

        def test_spy(hotpatch):
            spied = hotpatch.spy(price)
            assert price(1) == 3
            spied.assert_called_once_with(1)
            assert price(1, tax=5, rounded=True) == 6
            spied.assert_called_with(1, tax=5, rounded=True)
            sell = hotpatch.spy(Shop.sell)
            it = Shop()
            assert it.sell("tea") == "1 tea"
            sell.assert_called_once_with(it, "tea")

        def test_spy_of_a_coroutine_function(hotpatch):
            spied = hotpatch.spy(fetch)
            assert asyncio.run(fetch("/")) == "content of /"
            spied.assert_awaited_once_with("/")

        def test_spy_of_what_is_written_in_c(hotpatch):
            spied = hotpatch.spy(time.time)
            assert time.time() > 1e9
            spied.assert_called_once_with()

        def test_nothing_is_left():
            assert patches() == []
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(passed=8)


def test_fixtures_of_other_scopes(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        @pytest.fixture(scope="module", autouse=True)
        def for_all(module_hotpatch, session_hotpatch):
            module_hotpatch(lambda net: "module", price)
            session_hotpatch(lambda self, what: "session", Shop.sell)

        def test_one(hotpatch):
            assert (price(1), Shop().sell("x")) == ("module", "session")
            hotpatch(lambda net: "function", price)
            assert price(1) == "function"

        def test_two():
            assert (price(1), Shop().sell("x")) == ("module", "session")
        """.replace("\n        ", "\n"),
        "--hotpatch-strict",
    )
    result.assert_outcomes(passed=2)
    last = "assert (price(1), Shop().sell('x')) == (3, 'session')"
    pytester.makepyfile(test_zz=f"from shop import *\ndef test():\n    {last}")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3)


def test_a_patch_of_what_nothing_imports_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_with_a_typo(hotpatch):
            hotpatch(lambda: 0, "shopp:price")

        def test_that_it_is_undone():
            assert patches() == []
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*nothing has imported what these patches name:*",
            "*<Patch of shopp:price by test_shop at *, pending>",
        ]
    )


def test_mocks_of_names_and_decorators(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from hotpatch import PatchError

        def test_name(hotpatch):
            mocked = hotpatch.mock("shop:price", return_value=5)
            assert price(1) == 5
            mocked.assert_called_once_with(1)
            assert hotpatch.mock("shop:Shop.of_class", return_value=6) is not None
            assert Shop.of_class(2) == 6
            with pytest.raises(PatchError, match="so import not_imported before"):
                hotpatch.mock("not_imported:price")

        def test_decorator(hotpatch):
            @hotpatch(target=price, how="after")
            def watch(result):
                seen.append(result)

            seen = []
            assert price(1) == 3
            assert seen == [3]
            assert callable(watch)
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(passed=2)


LEAVES = """
from hotpatch import hotpatch

def test_leaves_a_patch():
    hotpatch(lambda net: "left", price)

def test_comes_next():
    assert price(1) == 3
"""


def test_a_test_that_leaves_a_patch_behind_fails_if_that_is_asked_for(
    pytester: pytest.Pytester,
) -> None:
    run(pytester, LEAVES).assert_outcomes(passed=1, failed=1)
    result = run(pytester, LEAVES, "--hotpatch-strict")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*the test has left patches behind, now undone:*",
            "*<Patch of shop.price by test_shop at *",
        ]
    )


def test_it_works_with_processes_and_threads(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    result = run(
        pytester,
        """
        import threading

        @pytest.mark.parametrize("number", range(20))
        def test_in_a_process(hotpatch, number):
            hotpatch(lambda net: number, price)
            seen = []
            threads = [threading.Thread(target=lambda: seen.append(price(1))) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert seen == [number] * 4
        """.replace("\n        ", "\n"),
        "--numprocesses=2",
    )
    result.assert_outcomes(passed=20)


def test_patches_say_which_test_made_them(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import inspect

        def made_here(patch):
            line = inspect.currentframe().f_back.f_lineno
            return (patch.by, patch.where) == (__name__, f"{__file__}:{line}")

        def test_all_ways(hotpatch):
            assert made_here(hotpatch(lambda net: 0, price))
            hotpatch.mock(price); assert made_here(patches(price)[-1])
            hotpatch.spy(price); assert made_here(patches(price)[-1])

            @hotpatch(target=price, how="before")
            def watch(net):
                pass

            assert patches(price)[-1].by == __name__
            assert patches(price)[-1].where.startswith(f"{__file__}:")
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(passed=1)


def named(pytester: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    """Run tests of modules that nothing has imported before."""
    pytester.makepyfile(
        later="def f(x):\n    return x\nclass K:\n    def m(self):\n        return 1"
    )
    return run(pytester, text.replace("\n        ", "\n"), *options)


def test_a_name_that_nothing_has_imported_fails_the_test_and_all_is_undone(
    pytester: pytest.Pytester,
) -> None:
    result = named(
        pytester,
        """
        import sys

        def test_waits(hotpatch):
            hotpatch(lambda net: "before", price)
            hotpatch(lambda x: "new", "later:f")
            hotpatch(lambda x: "new", "latter:f")
            hotpatch(lambda net: "after", price)
            assert price(1) == "after"
            import later
            assert later.f(1) == "new"

        def test_all_is_undone():
            import later
            assert patches() == []
            assert (price(1), later.f(1)) == (3, 1)
            del sys.modules["later"]

        def test_is_undone_by_hand(hotpatch):
            hotpatch(lambda x: "new", "later:f").undo()

        def test_was_imported_once(hotpatch):
            patch = hotpatch(lambda x: "new", "later:f")
            import later
            assert later.f(1) == "new"
            del sys.modules["later"], later
            import gc
            gc.collect()
            assert patch.target is None

        @pytest.mark.parametrize("name", ["later:f", "later:K.m"])
        def test_is_imported(hotpatch, name):
            hotpatch(lambda *args: "new", name)
            import later
        """,
    )
    result.assert_outcomes(passed=6, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_waits*",
            "nothing has imported what these patches name:",
            "  <Patch of latter:f by test_shop at *, pending>",
            "Correct the name, or leave the patch out.",
        ]
    )
    result.stdout.no_fnmatch_line("*<Patch of later:f*")


def test_names_in_fixtures_that_outlive_a_test(pytester: pytest.Pytester) -> None:
    result = named(
        pytester,
        """
        @pytest.fixture(scope="module", autouse=True)
        def for_all(module_hotpatch):
            module_hotpatch(lambda x: "new", "later:f")
            module_hotpatch(lambda x: "new", "latter:f")

        def test_waits():
            assert [patch.pending for patch in patches()] == [True, True]

        def test_imports():
            import later
            assert later.f(1) == "new"
        """,
        "--hotpatch-strict",
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_imports*"])
    result.stdout.fnmatch_lines(["  <Patch of latter:f by test_shop at *"])
    result.stdout.no_fnmatch_line("*<Patch of later:f*")


def test_mock_and_spy_of_names(pytester: pytest.Pytester) -> None:
    result = named(
        pytester,
        """
        import hotpatch as package

        def test_not_imported(hotpatch):
            for method in (hotpatch.mock, hotpatch.spy):
                with pytest.raises(package.PatchError, match="so import later before"):
                    method("later:f")

        def test_mock(hotpatch):
            import later
            mocked = hotpatch.mock("later:f", return_value=5)
            assert later.f(1) == 5
            mocked.assert_called_once_with(1)
            with pytest.raises(TypeError):
                later.f()
            method = hotpatch.mock("later:K.m", return_value=6)
            it = later.K()
            assert it.m() == 6
            method.assert_called_once_with(it)

        def test_spy(hotpatch):
            import later
            spied = hotpatch.spy("later:f")
            assert later.f(1) == 1
            spied.assert_called_once_with(1)
            shown = hotpatch.spy("shop:Shop.name")
            assert Shop().name == "name"
            shown.assert_called_once()

        def test_spy_of_a_module_that_is_reloaded(hotpatch):
            import importlib, later
            spied = hotpatch.spy("later:f")
            importlib.reload(later)
            assert later.f(1) == 1
            spied.assert_called_once_with(1)

        def test_nothing_is_left():
            import later
            assert (later.f(1), patches()) == (1, [])
        """,
    )
    result.assert_outcomes(passed=5)


@pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
def test_names_in_test_modules_whose_assertions_are_rewritten(
    pytester: pytest.Pytester, mode: str
) -> None:
    pytester.makeconftest("""
        from hotpatch import hotpatch
        hotpatch(lambda: 7, "test_named:helper")
        hotpatch(lambda: 8, "test_named:K.m", by="conftest")
        """)
    pytester.makepyfile(
        test_named="""
        import sys
        from hotpatch import patches

        class K:
            @staticmethod
            def m():
                return 1

        def helper():
            return 1

        def test_is_patched():
            assert (helper(), K.m()) == (7, 8)
            loader = type(__spec__.loader).__name__
            assert loader == type(__loader__).__name__ == "AssertionRewritingHook"

        def test_is_rewritten():
            assert helper() == 6

        def test_a_fixture_can_patch_it_too(hotpatch):
            hotpatch(lambda: 9, f"{__name__}:helper")
            assert helper() == 9
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", f"--import-mode={mode}")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*assert 7 == 6*", "* where 7 = helper()"])
