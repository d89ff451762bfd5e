"""Guards: a patch of a function that is not what the patch was written for is refused."""

import linecache
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hotpatch import PatchError, atomic, hotpatch, patches

pytestmark = pytest.mark.usefixtures("all_are_undone")

SOURCE = """
class Shop:
    def sell(self, what, count=1):
        \'\'\'Sell it.\'\'\'
        # at the usual price
        return {
  "what": what, "count": count}

def price(net):
    return net * 1.2 if net in {1, 2, 3} else (lambda x: x)(net)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Any:
    path = tmp_path / "shop.py"
    path.write_text(SOURCE, encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "shop"}
    exec(compile(SOURCE, str(path), "exec"), namespace)
    yield type("Module", (), namespace)
    linecache.checkcache(str(path))


def new(*args: object) -> Any:
    return "new"


SELL = """
    def sell(self, what, count = 1):
        'Sell it.'
        return {"what": what, "count": count}  # another comment
"""


@pytest.mark.parametrize("how", ["replace", "before"])
def test_the_expected_source_text_is_compared_as_a_tree(shop: Any, how: Any) -> None:
    hook: Any = new if how == "replace" else lambda what: None
    with hotpatch(hook, shop.Shop.sell, how=how, expect=SELL):
        assert len(patches(shop.Shop.sell)) == 1
        with hotpatch(new, shop.Shop.sell, expect=SELL):  # what it is without patches
            assert shop.Shop().sell("tea") == "new"
    for changed in (
        SELL.replace("count = 1", "count = 2"),
        SELL.replace("count}", "what}"),
        SELL.replace("Sell it.", "Sell."),
        SELL.replace("def sell", "def sell2"),
        SELL + "\n    def more(self): pass\n",
    ):
        with pytest.raises(
            PatchError, match="is not what this patch was made for: its source text"
        ):
            hotpatch(hook, shop.Shop.sell, how=how, expect=changed)
    assert patches(shop.Shop.sell) == []


def test_a_text_that_is_no_python_is_refused(shop: Any) -> None:
    with pytest.raises(TypeError, match=r"the expected source text of .* is no Python: "):
        hotpatch(new, shop.price, expect="def price(net:")
    assert patches(shop.price) == []


def digest_of(function: Any) -> str:
    with pytest.raises(PatchError) as caught:
        hotpatch(new, function, expect="sha256:")
    found = re.search(r"has the digest (sha256:[0-9a-f]{64}), and not sha256:;", str(caught.value))
    assert found is not None
    return found[1]


def test_the_digest_is_that_of_what_the_code_does(shop: Any) -> None:
    digest = digest_of(shop.price)
    with hotpatch(new, shop.price, expect=digest):
        assert shop.price(1) == "new"
        assert digest_of(shop.price) == digest
    namespace: dict[str, Any] = {}
    exec("\n\n\n" + SOURCE[SOURCE.index("def price") :], namespace)
    assert digest_of(namespace["price"]) == digest  # at another place
    for old, different in [("1.2", "1.3"), ("{1, 2, 3}", "{1, 2, 4}"), ("x: x", "x: x + 1")]:
        exec(SOURCE[SOURCE.index("def price") :].replace(old, different), namespace)
        assert digest_of(namespace["price"]) != digest
    with pytest.raises(PatchError, match=digest):
        hotpatch(new, shop.price, expect=digest_of(namespace["price"]))


def test_the_digest_is_the_same_in_each_process() -> None:
    text = (
        "from hotpatch import hotpatch\n"
        "def f(x): return x in {'a', 'b', 'c', 'd', 'e'}\n"
        "try: hotpatch(f, f, expect='sha256:')\n"
        "except RuntimeError as error: print(str(error).split('digest ')[1])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(4)
    }
    assert len(found) == 1


def test_without_a_source_text_the_error_says_the_digest() -> None:
    namespace: dict[str, Any] = {}
    exec(compile("def f(): return 1", "<no file>", "exec"), namespace)
    with pytest.raises(PatchError, match=r"expect the digest of its code, sha256:[0-9a-f]{64}"):
        hotpatch(new, namespace["f"], expect="def f(): return 1")
    with pytest.raises(TypeError, match="it is no Python function, and has no source text"):
        hotpatch(new, math.sqrt, expect="def sqrt(x): ...")


def test_a_guard_in_a_block_keeps_all_of_it_from_coming(shop: Any) -> None:
    def block() -> None:
        with atomic():
            hotpatch(new, shop.price)
            hotpatch(new, shop.Shop.sell, expect="def sell(self): pass")

    with pytest.raises(PatchError, match="is not what this patch was made for"):
        block()
    assert patches(shop.price) == []


def test_a_decorator_has_a_guard_too(shop: Any) -> None:
    with pytest.raises(PatchError, match="is not what this patch was made for"):
        hotpatch(target=shop.price, expect="def price(net): pass")(new)
    hotpatch(target=shop.price, expect=digest_of(shop.price))(new)
    assert shop.price(1) == "new"
    patches(shop.price)[0].undo()


# Pairs that differ in one thing.
DIFFERENT = {
    "operation": ("def f(a): return a + a", "def f(a): return a - a"),
    "name of a global": ("def f(): return a", "def f(): return b"),
    "name of a parameter": ("def f(a): return a", "def f(b): return b"),
    "positional only": ("def f(a): return a", "def f(a, /): return a"),
    "keyword only": ("def f(a, b): return a", "def f(a, *, b): return a"),
    "rest": ("def f(a): return a", "def f(*a): return a"),
    "kind": ("def f():\n yield", "import types\n@types.coroutine\ndef f():\n yield"),
    "constant": ("def f(): return 'a'", "def f(): return 'b'"),
    "type of a constant": ("def f(): return 1", "def f(): return True"),
    "constant in a tuple": ("def f(): return (1, 2)", "def f(): return (1, 3)"),
    "constant in a set": ("def f(x): return x in {1, 2}", "def f(x): return x in {1, 3}"),
    "function in it": ("def f(): return lambda: 1", "def f(): return lambda: 2"),
    "free variable": (
        "def g(a, b):\n def f(): return a\n return f\nf = g(1, 2)",
        "def g(a, b):\n def f(): return b\n return f\nf = g(1, 2)",
    ),
    "what is caught": (
        "def f():\n try: a()\n except b: c()\n d()",
        "def f():\n try: a(); d()\n except b: c()",
    ),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_functions_that_differ_have_different_digests(one: str, other: str) -> None:
    digests = []
    for text in (one, other, f"# another line\n\n{one}"):
        namespace: dict[str, Any] = {}
        exec(compile(text, "<nowhere>", "exec"), namespace)
        digests.append(digest_of(namespace["f"]))
    assert digests[0] == digests[2] != digests[1]
