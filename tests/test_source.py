"""Source text as a replacement: it means what it would mean where the target stands."""

import functools
import importlib
import inspect
import linecache
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from hotpatch import PatchError, hotpatch
from modules import Modules

pytestmark = pytest.mark.usefixtures("all_are_undone")

TEXT = """
    import contextlib
    import functools
    import types

    RATE = 2

    def sample(x, cache={}, *, flag=object()):
        return x, cache, flag

    class Base:
        def greet(self):
            return "base"

    class Shop(Base):
        limit = 5
        __secret = "secret"

        def greet(self, x=1):
            return x

        def __private(self):
            return 1

        def call_private(self):
            return self.__private()

        @classmethod
        def make(cls):
            return cls

        @staticmethod
        def static():
            return 1

        @property
        def name(self):
            return "name"

        @name.setter
        def name(self, value):
            raise KeyError(value)

        @functools.lru_cache
        def cached(self, x):
            return x

        class Inner:
            def deep(self):
                return 1

    def outer(a):
        b = 10
        def inner(x):
            return a + b + x
        def count():
            nonlocal b
            b += 1
            return b
        def recursive(n):
            return n and recursive(n - 1)
        class Local(Base):
            def greet(self):
                return a
        return inner, count, recursive, Local

    @contextlib.contextmanager
    def managed(x):
        yield x

    def generate():
        yield 1

    async def coroutine():
        return 1

    @types.coroutine
    def iterable():
        yield
        return 1
    """


@pytest.fixture
def shop(modules: Modules) -> Any:
    return modules.load(modules.write(TEXT))


def test_globals_and_defaults_are_those_of_the_module(shop: Any) -> None:
    with hotpatch("def sample(x=RATE, *, y=RATE + 1): return x, y, RATE", shop.sample) as patch:
        assert shop.sample() == (2, 3, 2)
        shop.RATE = 7
        assert shop.sample() == (2, 3, 7)
        assert str(inspect.signature(shop.sample)) == "(x=2, *, y=3)"
        assert patch.original(1)[:2] == (1, {})
        assert callable(patch.replacement)
    assert len(shop.sample(1)) == 3


def test_defaults_that_are_written_as_before_stay_the_same_objects(shop: Any) -> None:
    _, cache, flag = shop.sample(0)
    text = (
        "def sample(x, cache={}, new=[], *, flag=object(), other=object()): return cache, flag, new"
    )
    with hotpatch(text, shop.sample):
        assert shop.sample(1)[0] is cache
        assert shop.sample(1)[1] is flag
        assert shop.sample(1)[2] == []
    with hotpatch("def sample(x, cache={1: 2}, *, flag=None): return cache, flag", shop.sample):
        assert shop.sample(1) == ({1: 2}, None)


def test_a_method_is_in_its_class(shop: Any) -> None:
    text = """
        def greet(self, x=limit + RATE):
            def nested(): pass
            class Local: pass
            names = nested.__qualname__, Local.__qualname__
            return super().greet(), __class__, self.__secret, x, names
        """
    with hotpatch(text, shop.Shop.greet):
        parent, around, secret, x, names = shop.Shop().greet()
        assert (parent, around, secret, x) == ("base", shop.Shop, "secret", 7)
        assert names == ("Shop.greet.<locals>.nested", "Shop.greet.<locals>.Local")
        assert shop.Shop.greet.__qualname__ == "Shop.greet"
        if sys.version_info >= (3, 11):
            assert shop.Shop.greet.__code__.co_qualname == "Shop.greet"
    assert shop.Shop().greet() == 1


def test_private_names_are_those_of_the_innermost_class(shop: Any) -> None:
    with hotpatch("def __private(self): return self.__secret", shop.Shop._Shop__private):
        assert shop.Shop().call_private() == "secret"
    with hotpatch("def deep(self): return (lambda: self.__x)()", shop.Shop.Inner.deep):
        inner = shop.Shop.Inner()
        inner._Inner__x = 5
        assert inner.deep() == 5
    with hotpatch("def sample(x): return x.__y", shop.sample):
        assert "__y" in shop.sample.__code__.co_names


@pytest.mark.parametrize("decorator", ["", "@classmethod\n"])
def test_a_class_method(shop: Any, decorator: str) -> None:
    with hotpatch(f"{decorator}def make(cls): return 'new', cls, __class__", shop.Shop.make):
        assert shop.Shop.make() == ("new", shop.Shop, shop.Shop)


@pytest.mark.parametrize("decorator", ["", "@staticmethod\n"])
def test_a_static_method(shop: Any, decorator: str) -> None:
    with hotpatch(f"{decorator}def static(): return __class__", shop.Shop.static):
        assert shop.Shop.static() == shop.Shop


@pytest.mark.parametrize("decorator", ["", "@property\n"])
def test_a_property(shop: Any, decorator: str) -> None:
    with hotpatch(f"{decorator}def name(self): return self.__secret", shop.Shop.name):
        assert shop.Shop().name == "secret"


def test_a_setter(shop: Any) -> None:
    text = "@name.setter\ndef name(self, value): self.value = value"
    with hotpatch(text, shop.Shop.name.fset):
        object_ = shop.Shop()
        object_.name = 5
        assert object_.value == 5


@pytest.mark.parametrize("decorator", ["", "@functools.lru_cache\n"])
def test_a_cache_stays_around(shop: Any, decorator: str) -> None:
    with hotpatch(f"{decorator}def cached(self, x): return [self.__secret]", shop.Shop.cached):
        object_ = shop.Shop()
        assert object_.cached(1) == ["secret"]
        assert object_.cached(1) is object_.cached(1)
        assert shop.Shop.cached.cache_info().hits == 2


def test_a_decorator_that_is_new_is_applied(shop: Any) -> None:
    with hotpatch("@functools.cache\ndef sample(x): return [x]", shop.sample):
        assert shop.sample(1) is shop.sample(1)
    text = "@property\n@functools.cache\ndef name(self): return [super().greet()]"
    with hotpatch(text, shop.Shop.name):
        object_ = shop.Shop()
        assert object_.name == ["base"]
        assert object_.name is object_.name


def test_a_decorator_that_is_new_cannot_be_further_out(shop: Any) -> None:
    with pytest.raises(TypeError, match="a new decorator above one that is around the target"):
        hotpatch("@functools.cache\n@property\ndef name(self): return 1", shop.Shop.name)


def test_what_a_decorator_made_is_made_anew(shop: Any) -> None:
    text = "@contextlib.contextmanager\ndef managed(x): yield x, RATE"
    with hotpatch(text, shop.managed), shop.managed(5) as given:
        assert given == (5, 2)
    with shop.managed(5) as given:
        assert given == 5
    with pytest.raises(TypeError, match="generator function"):
        hotpatch("def managed(x): yield x", shop.managed)
    inner = shop.managed.__wrapped__
    with hotpatch("def managed(x): yield 7", inner), shop.managed(5) as given:
        assert given == 7


def test_free_variables_are_shared(shop: Any) -> None:
    inner, count, recursive, local = shop.outer(1)
    with hotpatch("def inner(x, y=b): return a, b, x, y", inner):
        assert inner(5) == (1, 10, 5, 10)
        count()
        assert inner(5) == (1, 11, 5, 10)
        with hotpatch("def count():\n nonlocal b\n b += 100", count):
            count()
        assert inner(5) == (1, 111, 5, 10)
    with hotpatch("def recursive(n): return recursive if n == 0 else recursive(n - 1)", recursive):
        assert recursive(3) is recursive
    with hotpatch("def greet(self): return super().greet(), a", local.greet):
        assert local().greet() == ("base", 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("generate", "def generate(): yield RATE"),
        ("coroutine", "async def coroutine(): return RATE"),
        ("iterable", "@types.coroutine\ndef iterable():\n yield\n return RATE"),
    ],
)
def test_kinds_stay(shop: Any, name: str, text: str) -> None:
    target = getattr(shop, name)
    flags = target.__code__.co_flags
    with hotpatch(text, target):
        assert target.__code__.co_flags == flags
        target().close()
    with pytest.raises(TypeError, match="plain function"):
        hotpatch("def f(): return 1", target)


def test_a_lambda(shop: Any) -> None:
    with hotpatch("lambda x, y=RATE: (x, y)", shop.sample):
        assert shop.sample(1) == (1, 2)


def test_a_hook_can_be_text(shop: Any) -> None:
    text = "def around(original, self, x=0): return original(self, x), self.__secret"
    with hotpatch(text, shop.Shop.greet, how="around"):
        assert shop.Shop().greet(3) == (3, "secret")
    text = "@functools.lru_cache\ndef around(original, self, x): return [original(self, x)]"
    with hotpatch(text, shop.Shop.cached, how="around") as patch:
        assert hasattr(patch.replacement, "cache_info")  # a decorator of the target, and its own
        assert shop.Shop().cached(1) == [1]
    with hotpatch("def before(x): seen.append(x)", shop.Shop.greet, how="before"):
        shop.seen = []
        shop.Shop().greet(3)
        assert shop.seen == [3]


@pytest.mark.parametrize("scope", ["context", "thread"])
def test_a_text_can_have_a_scope(shop: Any, scope: Any) -> None:
    with hotpatch(
        "def greet(self, x=limit): return super().greet(), x", shop.Shop.greet, scope=scope
    ):
        assert shop.Shop().greet() == ("base", 5)
    assert shop.Shop().greet() == 1


def test_a_text_for_a_name_waits(modules: Modules) -> None:
    name = modules.write(TEXT)
    with hotpatch("def greet(self): return self.__secret", f"{name}:Shop.greet") as patch:
        assert isinstance(patch.replacement, str)
        assert modules.load(name).Shop().greet() == "secret"


def test_future_imports_hold(modules: Modules) -> None:
    shop = modules.load(
        modules.write("from __future__ import annotations\ndef f(x: int): return x")
    )
    with hotpatch("def f(x: nobody_has_this): return -x", shop.f):
        assert (shop.f(1), shop.f.__annotations__) == (-1, {"x": "nobody_has_this"})


def test_tracebacks_show_the_lines_of_the_text(shop: Any) -> None:
    text = '''
        def greet(self, x=1):
            """Docs."""
            raise ValueError(x)  # the line
        '''
    with hotpatch(text, shop.Shop.greet):
        with pytest.raises(ValueError, match="1") as caught:
            shop.Shop().greet()
        frame = traceback.extract_tb(caught.value.__traceback__)[-1]
        assert (frame.lineno, frame.line) == (4, "raise ValueError(x)  # the line")
        assert frame.name == "greet"
        assert f"{shop.__name__}.Shop.greet" in frame.filename
        linecache.checkcache()
        assert inspect.getsource(shop.Shop.greet).strip() == text.strip()


def test_the_same_text_takes_no_more_memory(shop: Any) -> None:
    with hotpatch("def sample(): return 1", shop.sample):
        pass
    before = len(linecache.cache)
    for _ in range(10):
        with hotpatch("def sample(): return 1", shop.sample):
            pass
    assert len(linecache.cache) == before


WRONG = {
    "empty": ("", "another number of statements"),
    "two": ("def f(): pass\ndef g(): pass", "another number of statements"),
    "no def": ("x = 1", "it is no def"),
    "class": ("class C: pass", "it is no def"),
    "a name": ("sample", "it is no def"),
    "syntax": ("def f():\n    return (", "it is no Python .* in line 2"),
    "indented syntax": ("\n    def f():\n        return =", "it is no Python .* in line 3"),
    "late syntax": ("def f():\n    x = 1\n    nonlocal y", "it is no Python .* in line 3"),
    "return": ("return 1", "it is no def"),
    "another kind": ("def f(): yield", "generator function"),
}


@pytest.mark.parametrize(("text", "why"), WRONG.values(), ids=WRONG)
def test_a_text_that_makes_no_function_is_refused(shop: Any, text: str, why: str) -> None:
    before = shop.sample.__code__
    with pytest.raises(TypeError, match=why):
        hotpatch(text, shop.sample)
    assert shop.sample.__code__ is before


def test_what_a_text_raises_goes_on(shop: Any) -> None:
    with pytest.raises(NameError, match="missing"):
        hotpatch("def sample(x=missing): pass", shop.sample)
    assert len(shop.sample(1)) == 3


@pytest.mark.parametrize("target", [sorted, dict.get, functools.partial(sorted)])
def test_what_is_written_in_c_has_no_place_for_a_text(target: Any) -> None:
    with pytest.raises(TypeError, match=r"no source text; pass a function|instruction of its own"):
        hotpatch("def f(): return 1", target)


def test_decorators_need_the_source_text_of_the_target() -> None:
    namespace: dict[str, Any] = {}
    exec(compile("def f(): return 1", "<nowhere>", "exec"), namespace)
    with pytest.raises(PatchError, match=r"source text of .* is not to be found"):
        hotpatch("@property\ndef f(): return 2", namespace["f"])
    with hotpatch("def f(): return 2", namespace["f"]):
        assert namespace["f"]() == 2


CODE_FIELDS = [
    *["co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_flags", "co_name"],
    *["co_argcount", "co_kwonlyargcount", "co_posonlyargcount"],
]


def described(code: Any, fields: list[str] = CODE_FIELDS) -> Any:
    """What a code object does, without its lines."""
    if inspect.iscode(code):
        return [getattr(code, field) for field in fields] + described(code.co_consts, fields)
    if isinstance(code, tuple):
        return [described(item, fields) for item in code]
    return sorted(map(repr, code)) if isinstance(code, frozenset) else [repr(code)]


def test_the_text_of_a_function_makes_the_same_function(shop: Any) -> None:
    targets = [shop.sample, *shop.outer(1)[:3], shop.generate, shop.coroutine, shop.iterable]
    for owner in [shop.Shop, shop.Shop.Inner]:
        targets += [value for value in vars(owner).values() if inspect.isfunction(value)]
    for target in targets:
        before = described(target.__code__), target.__defaults__, target.__kwdefaults__
        cells = target.__closure__
        with hotpatch(inspect.getsource(target), target):
            assert (
                described(target.__code__),
                target.__defaults__,
                target.__kwdefaults__,
            ) == before
            assert (target.__closure__ or ())[: len(cells or ())] == (cells or ())


def functions_of(owner: Any, module: str) -> Iterator[Any]:
    """The functions that a module or a class in it defines."""
    for value in list(vars(owner).values()):
        candidates: list[Any] = [getattr(value, "__func__", value)]
        if isinstance(value, property):
            candidates = [value.fget, value.fset]
        for function in candidates:
            is_own = inspect.isfunction(function) and function.__module__ == module
            if is_own and function.__name__ != "__annotate__":
                yield function
        if inspect.isclass(value) and value.__module__ == module:
            yield from functions_of(value, module)


@pytest.mark.parametrize("name", ["argparse", "configparser", "contextlib", "textwrap", "inspect"])
def test_the_standard_library_is_compiled_as_it_was(name: str) -> None:
    module = importlib.import_module(name)
    # Since 3.11 a call of what a module has imported is compiled in another way.
    fields = CODE_FIELDS if sys.version_info < (3, 11) else CODE_FIELDS[1:]
    count = 0
    for function in functions_of(module, name):
        lines, first = inspect.getsourcelines(inspect.unwrap(function))
        if "lambda" in lines[0]:
            continue
        # Since 3.13 a class has the number of its first line.
        text = "\n" * (first - 1) + "".join(lines)
        before = (
            described(function.__code__, fields),
            function.__defaults__,
            function.__kwdefaults__,
        )
        with hotpatch(text, function):
            after = described(function.__code__, fields), function.__defaults__
            assert (*after, function.__kwdefaults__) == before, function
        count += 1
    assert count > 10
