"""sqlparse: a lexer with tables, groups of tokens as classes, filters that are generators."""

from __future__ import annotations

from typing import Any

import sqlparse
import sqlparse.keywords
import sqlparse.tokens

STATEMENTS = [
    "select a, b as c, count(*) from t where x = 1 and y in (1, 2, 3) order by a desc limit 3",
    "SELECT CASE WHEN a > 1 THEN 'x' ELSE \"y\" END FROM a LEFT OUTER JOIN b ON a.i = b.i;",
    "insert into t (a, b) values (1, 'it''s'), (2, null); delete from t where a <> 1",
    "create table foo (id integer primary key, name varchar(20) not null default 'x');",
    "-- a comment\nselect /* another */ 1::int, $1, %s, :name, @v, x->>'y', array[1,2]",
    "with q as (select * from r union all select 2) select q.* from q group by 1 having sum(a) > 2",
    "create or replace function f() returns int as $$ begin return 1; end; $$ language plpgsql;",
    "declare @x int; begin if a then b; elsif c then d; end if; end; select 1",
    "update t set a = a + 1, b = b || 'x' where not exists (select 1) and c between 1 and 2",
    "select a::text as \"b\", b collate x, cast(c as int), d at time zone 'utc' from s.t as u, v w",
    "select row_number() over (partition by a order by b) from t window w as (order by c)",
    "merge into a using b on (a.x = b.x) when matched then update set y = 1",
    "select 1e5, .5, 0x1F, -3, 'a\\'b', N'x', `q`, [z] from dual where a like '%x' escape '!'",
    "(((select 1)))",
    "",
]
OPTIONS: list[dict[str, Any]] = [
    {"reindent": True, "keyword_case": "upper"},
    {"reindent_aligned": True},
    {"reindent": True, "comma_first": True, "indent_width": 4, "identifier_case": "upper"},
    {"strip_comments": True, "strip_whitespace": True, "use_space_around_operators": True},
    {"reindent": True, "wrap_after": 20, "indent_columns": True, "truncate_strings": 3},
    {"output_format": "python", "reindent": True},
    {"output_format": "php"},
    {"right_margin": 10},
    {"indent_width": "x"},
    {"keyword_case": "foo"},
]


def show_formats() -> list[str]:
    lines = []
    for statement in STATEMENTS:
        for options in OPTIONS:
            try:
                lines.append(repr(sqlparse.format(statement, **options)))
            except Exception as error:
                lines.append(f"{type(error).__name__}: {error}")
    return lines


def show_trees() -> list[str]:
    lines = []
    for text in STATEMENTS:
        for statement in sqlparse.parse(text):
            lines.append(statement.get_type())
            left = [statement]
            while left:
                token = left.pop()
                lines.append(f"{type(token).__name__} {token.ttype} {token.value[:30]!r}")
                if token.is_group:
                    lines += [f"{token.get_name()} {token.get_alias()} {token.get_real_name()}"]
                    left += reversed(token.tokens)
    return lines


def show_splits() -> list[str]:
    text = ";\n".join(STATEMENTS)
    return [repr(sqlparse.split(text)), repr(sqlparse.split("a;b;")), repr(sqlparse.split(" "))]


def show_words() -> list[str]:
    words = ["SELECT", "select", "foo", "VARCHAR", "BIGINT", "ROW", "TRY_CAST", "LATERAL"]
    token = sqlparse.tokens.Name.Builtin
    return [
        *[repr([list(it) for it in [sqlparse.lexer.tokenize(word)]]) for word in words],
        *[repr([it in sqlparse.tokens.Name, token in sqlparse.tokens.Name]) for it in [token]],
        repr(sqlparse.tokens.Name.Nonsense.parent),
    ]
