"""attrs: classes with generated methods, validators, converters, filters."""

from __future__ import annotations

from typing import Any

import attr
import attr.converters
import attr.filters
import attr.validators

from replays.workloads import each

SOURCE = """
@attr.s
class Old:
    a = attr.ib(default=1, validator=attr.validators.instance_of(int))
    b = attr.ib(factory=list, repr=False, converter=list)
    c = attr.ib(init=False, eq=False, order=False)
    @c.default
    def _(self): return self.a + 1
    @b.validator
    def check(self, attribute, value):
        if 9 in value: raise ValueError(attribute.name)

@attr.define
class New:
    x: int
    y: str = attr.field(default="z", kw_only=True, metadata={"m": 1}, on_setattr=attr.setters.frozen)
    def __attrs_post_init__(self): self.x += 1

@attr.frozen(order=True, hash=True)
class Cold:
    p: int = attr.field(validator=[attr.validators.ge(0), attr.validators.le(5)])
    q: float = attr.field(default=2, converter=attr.converters.optional(float))

@attr.define(slots=True, cache_hash=False)
class Sub(New):
    z: list = attr.Factory(lambda self: [self.x], takes_self=True)
    def me(self): return super().__repr__()

@attr.s(auto_exc=True)
class Failure(Exception):
    why = attr.ib()
"""
EXPRESSIONS = """
Old(), Old(3, (4, 5)).b, Old() == Old(), Old(2) < Old(3), Old().c
Old("x")
Old(1, [9])
Old(nothing=1)
hash(Old())
New(1), New(1, y="q"), New(1) == New(1), New(1).__slots__
New(1, "q")
setattr(New(1), "y", "b")
setattr(New(1), "nothing", 1)
Cold(3), Cold(1) < Cold(2), hash(Cold(1)) == hash(Cold(1)), Cold(1, None), Cold(2, "3")
Cold(7)
setattr(Cold(1), "p", 2)
Sub(1), Sub(1).me(), Sub(1, y="w"), isinstance(Sub(1), New)
Failure("no"), str(Failure("no")), Failure("a") == Failure("a")
attr.asdict(Sub(1)), attr.astuple(Cold(1)), attr.asdict(Old(1, [Cold(2)]), filter=attr.filters.include(attr.fields(Old).a))
attr.evolve(Cold(1), p=4), attr.has(Cold), attr.has(int), [it.name for it in attr.fields(Sub)], attr.fields_dict(New)["y"].metadata
attr.fields(New).x, attr.fields(Old).b
attr.fields(3)
attr.fields(int)
attr.resolve_types(New) is New, attr.fields(New).x.type
attr.make_class("Made", ["a", "b"])(1, 2), attr.make_class("Made", {"a": attr.ib(default=3)}, frozen=True)()
attr.validate(Old()), attr.NOTHING, bool(attr.NOTHING), attr.Factory(list), attr.cmp_using(eq=lambda a, b: True)(1) == attr.cmp_using(eq=lambda a, b: True)(2)
attr.validators.instance_of(int), attr.validators.in_([1, 2]), attr.validators.optional(attr.validators.instance_of(int)), attr.validators.and_(1, 2)
attr.validators.deep_iterable(attr.validators.instance_of(int), attr.validators.instance_of(list)), attr.validators.matches_re("a.*"), attr.validators.is_callable()
attr.validators.not_(attr.validators.instance_of(int)), attr.validators.or_(attr.validators.instance_of(int)), attr.validators.lt(3), attr.validators.max_len(3), attr.validators.min_len(1)
attr.validators.deep_mapping(attr.validators.instance_of(int), attr.validators.instance_of(str))
attr.make_class("M", {"a": attr.ib(validator=attr.validators.in_([1]))})(2)
attr.make_class("M", {"a": attr.ib(validator=attr.validators.matches_re("x"))})("y")
attr.make_class("M", {"a": attr.ib(validator=attr.validators.max_len(1))})("yy")
attr.make_class("M", {"a": attr.ib(validator=attr.validators.not_(attr.validators.instance_of(str)))})("yy")
attr.make_class("M", {"a": attr.ib(validator=attr.validators.deep_iterable(attr.validators.instance_of(int)))})(["yy"])
attr.converters.to_bool("yes"), attr.converters.default_if_none(3)(None), attr.converters.pipe(int, str)("7"), attr.converters.default_if_none(factory=list)(None)
attr.converters.to_bool("maybe")
attr.filters.exclude(int)(attr.fields(Old).a, 3), attr.get_run_validators(), attr.setters.NO_OP, attr.setters.pipe(attr.setters.convert)(1, attr.fields(Old).a, 2)
attr.__version__ is not None, attr.VersionInfo._from_version_string("1.2.3") < (2,), attr.inspect(Old) if hasattr(attr, "inspect") else None
Old.__init__.__annotations__, New.__init__.__doc__, Old.__eq__.__doc__, Old.__eq__.__name__
"""


def show_expressions() -> list[str]:
    names: dict[str, Any] = {"attr": attr, "__name__": "made"}
    exec(SOURCE, names)
    return each(EXPRESSIONS, names)


def show_generated() -> list[str]:
    names: dict[str, Any] = {"attr": attr, "__name__": "made"}
    exec(SOURCE, names)
    lines = []
    for name in ("Old", "New", "Cold", "Sub"):
        for method, value in sorted(vars(names[name]).items()):
            code = getattr(value, "__code__", None)
            lines.append(f"{name}.{method} {code and (code.co_names, code.co_varnames)}")
    return lines
