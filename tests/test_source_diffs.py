"""Diffs as a replacement: exact context, and right again whatever comes or goes below."""

import difflib
import inspect
import linecache
import sys
import textwrap
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hotpatch import PatchError, atomic, hotpatch, patches
from modules import Modules

pytestmark = pytest.mark.usefixtures("all_are_undone")

TEXT = """\
import functools

BASE = 1

def sample():
    return 1

class Shop:
    __secret = "secret"

    @functools.wraps(sample)
    def decorated(self):
        return 1

    def price(self, net, tax=2):
        first = net + tax

        second = first * 10
        if second > 1000:
            raise ValueError(second)
        return second

    @property
    def name(self):
        return "name"

    @functools.lru_cache
    def cached(self, x):
        return x

def make(a):
    def inner(x):
        return a + x
    return inner

def generate():
    yield 1
"""


@pytest.fixture
def shop(modules: Modules) -> Any:
    return modules.load(modules.write(TEXT))


def whole_file(change: Callable[[str], str]) -> str:
    """A diff of the whole file, as `git diff` makes it."""
    lines = difflib.unified_diff(
        TEXT.splitlines(True), change(TEXT).splitlines(True), "a/shop.py", "b/shop.py"
    )
    return "diff --git a/shop.py b/shop.py\nindex 1..2 100644\n" + "".join(lines)


SAMPLE = """\
    @@ -1,2 +1,2 @@
     def sample():
    -    return 1
    +    return 9001
    """


@pytest.mark.parametrize(
    "diff",
    [
        SAMPLE,
        textwrap.dedent(SAMPLE),
        textwrap.dedent(SAMPLE).strip(),
        "--- a.py\n+++ b.py\n" + textwrap.dedent(SAMPLE),
        "@@ -2,2 +2,2 @@\n-    return 1\n+    return 9001",  # counts wrongly
        "@@ -77 +77 @@\n-    return 1\n+    return 9001",  # is elsewhere
        whole_file(lambda text: text.replace("return 1", "return 9001", 1)),
        whole_file(lambda text: text.replace("return 1", "return 9001", 1)) + "\n\n",
    ],
)
def test_a_diff_changes_the_lines_that_it_names(shop: Any, diff: str) -> None:
    with hotpatch(diff, shop.sample) as patch:
        assert shop.sample() == 9001
        assert patch.original() == 1
        assert patch.replacement == diff
    assert shop.sample() == 1


def test_a_diff_of_a_method_fits_with_and_without_indentation(shop: Any) -> None:
    for diff in [
        "@@ -2 +2 @@\n     first = net + tax\n+    first += len(self.__secret)\n",
        whole_file(
            lambda text: text.replace(
                "net + tax\n", "net + tax\n        first += len(self.__secret)\n"
            )
        ),
    ]:
        with hotpatch(diff, shop.Shop.price):
            assert shop.Shop().price(1) == 90
        assert shop.Shop().price(1) == 30


def test_a_default_can_be_changed(shop: Any) -> None:
    new = "def price(self, net, tax: int = BASE + 4, *, x=1):"
    diff = f"@@ -1 +1 @@\n-def price(self, net, tax=2):\n+{new}"
    with hotpatch(diff, shop.Shop.price):
        assert shop.Shop().price(1) == 60
        assert str(inspect.signature(shop.Shop.price)) == "(self, net, tax: int = 5, *, x=1)"


@pytest.mark.parametrize(
    ("path", "call", "old", "new"),
    [
        ("name", lambda shop: shop.Shop().name, '    return "name"', "    return self.__secret"),
        ("cached", lambda shop: shop.Shop().cached(1), "    return x", "    return self.__secret"),
    ],
)
def test_decorators_stay(
    shop: Any, path: str, call: Callable[[Any], str], old: str, new: str
) -> None:
    with hotpatch(f"@@ -1 +1 @@\n-{old}\n+{new}", getattr(shop.Shop, path)):
        assert call(shop) == "secret"
    assert call(shop) != "secret"


def test_free_variables_stay(shop: Any) -> None:
    inner = shop.make(5)
    with hotpatch("@@ -1 +1 @@\n-    return a + x\n+    return a - x", inner):
        assert (inner(1), shop.make(5)(1)) == (4, 6)


def test_tracebacks_show_the_new_lines_at_their_numbers(shop: Any) -> None:
    first = inspect.getsourcelines(shop.Shop.price)[1]
    diff = "@@ -2 +2,2 @@\n     first = net + tax\n+    if not net: raise KeyError\n"
    with hotpatch(diff, shop.Shop.price):
        for net, line, text in [
            (0, first + 2, "if not net: raise KeyError"),
            (500, first + 6, "raise ValueError(second)"),
        ]:
            with pytest.raises((KeyError, ValueError)) as caught:
                shop.Shop().price(net)
            frame = traceback.extract_tb(caught.value.__traceback__)[-1]
            assert (frame.lineno, frame.line) == (line, text)
        lines, number = inspect.getsourcelines(shop.Shop.price)
        assert number == first
        assert len(lines) == 8


FIRST = "@@ -2 +2 @@\n-    first = net + tax\n+    first = net - tax"
SECOND = "@@ -4 +4 @@\n-    second = first * 10\n+    second = first * 100"
THIRD = "@@ -2 +2 @@\n-    first = net - tax\n+    first = net * tax"


def test_diffs_of_one_function_add_up_and_go_in_any_order(shop: Any) -> None:
    price = shop.Shop().price
    for order in [(0, 1), (1, 0)]:
        made = [hotpatch(FIRST, price), hotpatch(SECOND, price)]
        assert (price(5), made[1].original(shop.Shop(), 5)) == (300, 30)
        made[order[0]].undo()
        assert price(5) == [700, 30][order[0]]
        made[order[1]].undo()
        assert price(5) == 70


def test_a_diff_that_needs_another_keeps_it(shop: Any) -> None:
    price = shop.Shop().price
    below = hotpatch(FIRST, price)
    above = hotpatch(THIRD, price)
    with pytest.raises(PatchError, match=r"does not fit .*hunk 1 has the line .*net - tax"):
        below.undo()
    assert (below.active, above.active) == (True, True)
    above.undo()
    assert price(5) == 30
    below.undo()
    assert price(5) == 70


def test_diffs_that_need_each_other_come_and_go_in_a_block(shop: Any) -> None:
    price = shop.Shop().price
    with atomic():
        below = hotpatch(FIRST, price)
        above = hotpatch(THIRD, price)
        assert price(5) == 70
    assert price(5) == 100
    with atomic():
        below.undo()
        above.undo()
    assert (price(5), patches(price)) == (70, [])
    with pytest.raises(PatchError, match="does not fit"), atomic():
        hotpatch(THIRD, price)


def test_hooks_below_are_hidden_and_those_above_are_not(shop: Any) -> None:
    price = shop.Shop().price

    def tagged(original: Any, *args: Any) -> Any:
        return "hooked", original(*args)

    with hotpatch(tagged, price, how="around"), hotpatch(FIRST, price):
        assert price(5) == 30
    with hotpatch(tagged, price, how="around", order=1), hotpatch(FIRST, price):
        assert price(5) == ("hooked", 30)
    assert price(5) == 70


def test_a_diff_follows_a_replacement_below(shop: Any) -> None:
    text = "def price(self, net, tax=2):\n    first = net + tax\n    return 'new', first"
    with hotpatch(FIRST, shop.Shop.price):
        with hotpatch(text, shop.Shop.price, order=-1):
            assert shop.Shop().price(5) == ("new", 3)
        assert shop.Shop().price(5) == 30
        with pytest.raises(PatchError, match="not to be found"):
            hotpatch(len, shop.Shop.price, order=-1)
        assert shop.Shop().price(5) == 30


def test_a_diff_can_have_a_scope_and_a_name(modules: Modules) -> None:
    name = modules.write(TEXT)
    with hotpatch(FIRST, f"{name}:Shop.price", scope="thread"):
        shop = modules.load(name)
        assert shop.Shop().price(5) == 30
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(shop.Shop().price, 5).result() == 70
    assert shop.Shop().price(5) == 70


def test_the_other_way_round_takes_a_change_out(shop: Any) -> None:
    back = "@@ -1,2 +1,2 @@\n def sample():\n-    return 1\n+    return 0"
    with hotpatch(back, shop.sample):
        assert shop.sample() == 0


@pytest.mark.parametrize(
    ("diff", "why"),
    [
        ("@@ -1 +1 @@\n-    return 2\n+    return 3", "hunk 1 has the line .*return 2"),
        ("@@ -1 +1 @@\n-return 1\n+return 3", "hunk 1 has the line .return 1., which"),
        ("@@ -1 +1 @@\n     return 1\n-def sample():\n+def x():", "do not stand together"),
        (whole_file(lambda text: text.replace("net + tax", "net")), "changes lines outside"),
        (whole_file(lambda text: text.replace("return", "return -")), "changes lines outside"),
    ],
)
def test_a_diff_that_does_not_fit_is_refused(shop: Any, diff: str, why: str) -> None:
    with pytest.raises(PatchError, match=f"the diff does not fit .*: .*{why}"):
        hotpatch(diff, shop.sample)
    assert shop.sample() == 1


@pytest.mark.parametrize(
    ("diff", "why"),
    [
        ("@@ -1,0 +2 @@\n+    x = 1", "a hunk without any line of the old text"),
        ("@@ -x +y @@\n-    return 1\n+", "no head of a hunk"),
        ("@@ -1 +1 @@\nreturn 1", "no line of a hunk"),
        ("@@ -1 +1 @@\n", "without any line"),
    ],
)
def test_what_is_no_diff_is_refused(shop: Any, diff: str, why: str) -> None:
    for target in [shop.sample, "not_imported:f"]:
        with pytest.raises(TypeError, match=f"this diff cannot be applied: .*{why}"):
            hotpatch(diff, target)


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("    return (", "it is no Python"),
        ("    yield 1", "generator function"),
        ("    return 1\n+x = 1", "another number of statements"),
    ],
)
def test_a_diff_that_makes_no_such_function_is_refused(shop: Any, new: str, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        hotpatch(f"@@ -2 +2 @@\n-    return 1\n+{new}", shop.sample)
    assert shop.sample() == 1


def test_a_diff_is_no_hook(shop: Any) -> None:
    with pytest.raises(TypeError, match=r"a diff of .* cannot be a hook"):
        hotpatch(SAMPLE, shop.sample, how="around")


def test_a_file_that_has_changed_is_no_source(shop: Any) -> None:
    path = Path(shop.__file__)
    path.write_text(TEXT.replace("return 1", "return 7"))
    linecache.checkcache()
    with pytest.raises(PatchError, match="is not what runs: the file has changed"):
        hotpatch("@@ -2 +2 @@\n-    return 7\n+    return 2", shop.sample)
    with pytest.raises(PatchError, match="is not what runs: the file has changed"):
        hotpatch(lambda: 2, shop.sample, expect="def sample(): return 7")
    path.write_text("def broken(")
    linecache.checkcache()
    with pytest.raises((PatchError, TypeError)):
        hotpatch("@@ -1 +1 @@\n-def broken(\n+def sample(): return 2", shop.sample)
    path.write_text(TEXT + "# more below\n")
    linecache.checkcache()
    with hotpatch(SAMPLE, shop.sample):
        assert shop.sample() == 9001


def test_a_function_without_source_text_has_no_diff() -> None:
    namespace: dict[str, Any] = {}
    exec(compile("def sample():\n    return 1", "<nowhere>", "exec"), namespace)
    with pytest.raises(PatchError, match=r"source text of .* is not to be found"):
        hotpatch(SAMPLE, namespace["sample"])


def test_generators_stay_generators(shop: Any) -> None:
    with hotpatch("@@ -2 +2,2 @@\n     yield 1\n+    yield 2", shop.generate):
        assert list(shop.generate()) == [1, 2]


def test_an_expectation_and_a_new_text_replace_together(shop: Any) -> None:
    """What `patchy.replace` does."""
    with hotpatch(
        "def sample(): return 42", shop.sample, expect="def sample():\n    return 1  # as it was"
    ):
        assert shop.sample() == 42
    with pytest.raises(PatchError, match="its source text is another"):
        hotpatch("def sample(): return 42", shop.sample, expect="def sample(): return 2")


def test_a_debugger_sees_the_lines(shop: Any) -> None:
    with hotpatch(SAMPLE, shop.sample):
        code = shop.sample.__code__
        line = linecache.getline(code.co_filename, code.co_firstlineno + 1)
        assert line == "    return 9001\n"
        if sys.version_info >= (3, 11):
            positions = [position for position in code.co_positions() if position[0]]
            assert {position[0] for position in positions} <= {
                code.co_firstlineno,
                code.co_firstlineno + 1,
            }
