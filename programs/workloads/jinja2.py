"""jinja2: inheritance, macros, filters, loops, escaping, async rendering, sandbox, tracebacks."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any

import jinja2
import jinja2.ext
import jinja2.meta
import jinja2.nativetypes
import jinja2.sandbox

TEMPLATES = {
    "base": "<{% block title %}base{% endblock %}>{% block body required %}{% endblock %}"
    "{% for item in items %}{% block item scoped %}{{ item }}{% endblock %}{% endfor %}",
    "middle": "{% extends 'base' %}{% block title %}middle of {{ super() }}{% endblock %}",
    "leaf": "{% extends 'middle' %}{% block body %}{{ self.title() }}{{ name }}{% endblock %}"
    "{% block item %}[{{ loop.index if loop is defined }}{{ item|upper }}]{% endblock %}",
    "macros": "{% macro field(name, value='') %}<{{ name }}={{ value|e }} "
    "{{ varargs }}{{ kwargs|dictsort }}{{ caller(1) if caller }}>{% endmacro %}"
    "{% set answer = 42 %}",
    "uses": "{% import 'macros' as m %}{% from 'macros' import field as f, answer with context %}"
    "{{ m.field('a', '<', 3, b=4) }}{{ f(answer) }}"
    "{% call(x) m.field('c') %}called {{ x }}{% endcall %}{% include ['none', 'part'] %}"
    "{% include 'none' ignore missing %}",
    "part": "part of {{ name }}",
    "loops": "{% for key, value in data|dictsort recursive %}{{ loop.index }}/{{ loop.length }}"
    "{{ loop.cycle('a', 'b') }}{{ loop.depth }}{{ key }}{{ loop.changed(value is mapping) }}"
    "{% if value is mapping %}({{ loop(value|dictsort) }}){% else %}={{ value }}{% endif %}"
    "{{ ', ' if not loop.last }}{% else %}nothing{% endfor %}"
    "{% for x in range(9) if x is odd %}{% if x == 5 %}{% continue %}{% endif %}"
    "{% if x > 7 %}{% break %}{% endif %}{{ loop.previtem|default('-') }}{{ x }}{% endfor %}",
    "scope": "{% set ns = namespace(n=0) %}{% for x in [1, 2] %}{% set ns.n = ns.n + x %}"
    "{% endfor %}"
    "{{ ns.n }}{% with a=1, b=name %}{{ a }}{{ b }}{% endwith %}{% set t %}x{{ name }}{% endset %}"
    "{{ t }}{% filter upper %}abc{% endfilter %}{% do data.update(z=1) %}{{ data.z }}"
    "{% autoescape false %}{{ '<' }}{% endautoescape %}{% raw %}{{ }}{% endraw %}",
    "words": "{% trans n=data|length %}one{% pluralize %}{{ n }} many{% endtrans %}{{ _('hi') }}",
    "error": "line 1\nline 2 {{ 1 // 0 }}",
    "calls": "{% include 'error' %}",
}
EXPRESSIONS = """
'a b'|title|center(9)|replace(' ', '_') | [3, 1, 2]|sort(reverse=true)|join('-', attribute=none)
items|map('upper')|list | items|select('ne', 'b')|list | items|batch(2, '?')|list
items|slice(2)|map('join')|list | people|groupby('team')|map('list')|list | people|sum('age')
people|map(attribute='name')|unique|list
people|selectattr('age', 'gt', 30)|map(attribute='name')|join
people|sort(attribute='team,age')|map(attribute='age')|list | people|max(attribute='age')
'<b>x</b> y'|striptags | 'http://a.b/c'|urlize(20, target='_top') | 'a b&c'|urlencode
{'class': 'a', 'id': none}|xmlattr | 'some words to be cut here'|truncate(12) | 3.14159|round(2)
'some words to be wrapped'|wordwrap(10) | 'a\\nb'|indent(2, true) | 123456789|filesizeformat
{'a': [1, '<']}|tojson | '%s-%s'|format(1, 2) | [1, 2]|random is number | none|default('d', true)
undefined_name is defined | missing.x | 5 is divisibleby(5) | 'x' is in('xyz') | 2 ** 3 // 3 ~ 'a'
1 < 2 < 3 and not false | [1, 2, 3][1:] | (1, 2)|first | items|last | 'abc'|reverse | '1.5'|float
'x'|nosuchfilter | 'x' is nosuchtest | 1 + | {{ | items[0|pprint]
dict(a=1)|items|list | 1|attr('real')
lipsum(n=1, html=false)|length > 20 | cycler('a', 'b').next() | joiner(',')() | 'ab'|list|count
"""


class Person:
    def __init__(self, name: str, age: int, team: str) -> None:
        self.name, self.age, self.team = name, age, team

    def __repr__(self) -> str:
        return f"<{self.name}>"


PEOPLE = [Person("Ann", 31, "a"), Person("Bob", 30, "b"), Person("Cid", 40, "a")]
EXTENSIONS = ["jinja2.ext.do", "jinja2.ext.loopcontrols", "jinja2.ext.i18n", "jinja2.ext.debug"]


def values() -> dict[str, Any]:
    data = {"b": 1, "a": {"d": 2, "c": {}}}
    return {"name": "<me>", "items": ["a", "b", "c"], "data": data, "people": PEOPLE}


def environment(**options: Any) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.DictLoader({}), jinja2.DictLoader(TEMPLATES)]),
        extensions=EXTENSIONS,
        **options,
    )
    made.install_gettext_callables(
        lambda text: f"({text})", lambda one, many, n: one if n == 1 else many, newstyle=True
    )
    return made


def attempt(call: Callable[[], object]) -> str:
    try:
        return str(call())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def show_templates() -> str:
    lines = []
    for options in [{}, {"autoescape": True}, {"trim_blocks": True, "optimized": False}]:
        made = environment(**options)
        for name in TEMPLATES:
            lines.append(f"{name}: {attempt(lambda: made.get_template(name).render(values()))}")  # noqa: B023
    return "\n".join(lines)


def show_expressions() -> str:
    lines = []
    for undefined in (jinja2.Undefined, jinja2.StrictUndefined, jinja2.ChainableUndefined):
        made = environment(undefined=undefined)
        for text in EXPRESSIONS.replace("\n", " | ").split(" | "):
            template = f"{{{{ {text} }}}}"
            lines.append(f"{text}: {attempt(lambda: made.from_string(template).render(values()))}")  # noqa: B023
    return "\n".join(lines)


def show_native() -> str:
    made = jinja2.nativetypes.NativeEnvironment()
    return repr([made.from_string(text).render(x=[1]) for text in ["{{ x }}", "{{ 1 }}{{ 2 }}"]])


def show_async() -> str:
    async def numbers() -> AsyncIterator[int]:
        for number in range(4):
            await asyncio.sleep(0)
            yield number

    async def double(number: int) -> int:
        return 2 * number

    async def render() -> list[str]:
        made = environment(enable_async=True)
        made.filters["double"] = double
        text = "{% for n in numbers() %}{{ loop.index }}{{ n|double }}{{ ',' if not loop.last }}"
        template = made.from_string(text + "{% endfor %}{{ numbers()|map('double')|list }}")
        result = [await template.render_async(numbers=numbers)]
        result += [piece async for piece in made.get_template("uses").generate_async(values())]
        result += [await made.get_template("leaf").render_async(values())]
        return result

    return "\n".join(asyncio.run(render()))


def show_sandbox() -> str:
    lines = []
    for kind in (jinja2.sandbox.SandboxedEnvironment, jinja2.sandbox.ImmutableSandboxedEnvironment):
        made = kind()
        for text in ["x.__class__", "x.append(1)", "range(10**9)", "'{0.__class__}'.format(x)"]:
            template = made.from_string(f"{{{{ {text} }}}}")
            lines.append(attempt(lambda: template.render(x=[])))  # noqa: B023
    return "\n".join(lines)


def show_tracebacks() -> str:
    try:
        environment().get_template("calls").render()
    except ZeroDivisionError as error:
        frames = traceback.extract_tb(error.__traceback__)
        return repr([(it.lineno, it.line) for it in frames if it.filename == "<template>"])
    return "no error"


def show_syntax() -> str:
    lines = []
    made = environment(line_statement_prefix="#", line_comment_prefix="##")
    for text in ["{% if %}", "{% for x in %}", "{% block a %}", "{{ 'x", "{% end %}", "{{ a b }}"]:
        lines.append(attempt(lambda: made.from_string(text)))  # noqa: B023
    lines.append(made.from_string("# for x in [1]\n{{ x }} ## no\n# endfor").render())
    tree = made.parse(TEMPLATES["uses"])
    lines.append(repr(sorted(jinja2.meta.find_undeclared_variables(tree))))
    lines.append(repr(list(jinja2.meta.find_referenced_templates(tree))))
    lines.append(repr(list(made.lex("{{ a|b }}"))))
    return "\n".join(lines) + repr(tree)
