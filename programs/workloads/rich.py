"""rich: tables, Markdown, syntax, progress, tracebacks, trees and layouts, recorded."""

from __future__ import annotations

import dataclasses
import datetime
import io
import logging
import re
from typing import Any

from rich import box, inspect
from rich.align import Align
from rich.bar import Bar
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.emoji import Emoji
from rich.filesize import decimal
from rich.highlighter import ISO8601Highlighter
from rich.json import JSON
from rich.layout import Layout
from rich.live import Live
from rich.logging import RichHandler
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.pretty import Pretty, pretty_repr
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.prompt import Confirm, IntPrompt, Prompt
from rich.rule import Rule
from rich.spinner import Spinner
from rich.style import Style
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.theme import Theme
from rich.traceback import Traceback
from rich.tree import Tree

MARKDOWN = """
# Title

Some *emphasis*, **strong**, `code` and a [link](http://example.org), ~~gone~~.

1. one
2. two
   - nested
   - list

> a quotation
> of two lines

| a | b |
|---|--:|
| 1 | 2 |

```python
def f(x): return x + 1
```

---
![image](x.png)
"""
SOURCE = '''
class A(B):
    """Text."""

    @property
    async def f(self, *args: int) -> str:
        return f"{self.x!r}" + 'y' * 0x1f  # a comment
'''


@dataclasses.dataclass
class Point:
    x: int
    y: list[Any]


def console(**options: Any) -> Console:
    theme = Theme({"warning": "bold magenta", "info": "dim cyan"})
    return Console(
        **{
            "file": io.StringIO(),
            "width": 60,
            "height": 20,
            "record": True,
            "force_terminal": True,
            "color_system": "truecolor",
            "legacy_windows": False,
            "theme": theme,
            "get_datetime": lambda: datetime.datetime(2020, 1, 2, 3, 4, 5),
            "get_time": lambda: 1000.0,
            "_environ": {},
            **options,
        }
    )


def shown(*things: RenderableType, **options: Any) -> str:
    out = console(**options)
    for thing in things:
        out.print(thing)
    # Links have numbers that are made at random.
    return re.sub(r"id=\d+", "id=", repr(out.export_text(styles=True)))


def table() -> Table:
    made = Table("a", "b", title="Table", caption="below", box=box.ROUNDED, row_styles=["", "dim"])
    made.add_column("c", justify="right", style="green", no_wrap=True, footer="sum", ratio=1)
    made.show_footer = True
    for index in range(4):
        made.add_row(
            str(index), "[bold]text[/] " * index, f"{index / 7:.3f}", end_section=index == 1
        )
    return made


def show_tables() -> str:
    grid = Table.grid(expand=True, padding=1)
    grid.add_row(
        Panel(table(), title="in a panel", subtitle="x"), Align.center("c", vertical="middle")
    )
    boxes = [getattr(box, name) for name in ("ASCII", "MINIMAL", "HEAVY_EDGE", "MARKDOWN")]
    small = [Table("x", "y", box=it) for it in boxes]
    for it in small:
        it.add_row("1", Text("two", style="on blue"))
    return shown(table(), grid, *small, width=80) + shown(table(), width=25)


def show_markdown() -> str:
    return shown(Markdown(MARKDOWN), Markdown(MARKDOWN, hyperlinks=False, justify="full"), width=40)


def show_syntax() -> str:
    lines = Syntax(SOURCE, "python", line_numbers=True, highlight_lines={3}, indent_guides=True)
    lines.stylize_range("bold", (2, 0), (2, 5))
    more = Syntax(SOURCE, "python", theme="ansi_dark", word_wrap=True, line_range=(2, 5))
    return shown(lines, more, Syntax("a: [1]", "yaml"), width=45)


def show_tree() -> str:
    tree = Tree("root", guide_style="bold red")
    branch = tree.add("[link=http://x]branch", highlight=True)
    branch.add(Group("two", "lines")).add(Panel.fit("deep"))
    tree.add("closed", expanded=False).add("hidden")
    return shown(tree)


def show_layout() -> str:
    layout = Layout(name="all")
    layout.split_column(Layout(name="top", size=3), Layout(name="main", ratio=2))
    layout["main"].split_row(Layout("left", minimum_size=10), Layout(Panel("right"), name="r"))
    layout["top"].update(Rule("head", align="left"))
    layout["r"].visible = False
    return shown(layout, layout.tree, Columns([f"item {n}" for n in range(20)], equal=True))


def show_progress() -> str:
    out = console()
    columns = [TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn()]
    with Progress(*columns, console=out, auto_refresh=False, get_time=lambda: 5.0) as progress:
        for number in progress.track(range(3), description="track"):
            progress.console.print("at", number)
            progress.refresh()
        task = progress.add_task("more", total=10)
        progress.update(task, advance=4, refresh=True)
        progress.reset(task, total=None)
    with Live(table(), console=out, auto_refresh=False, transient=True) as live:
        live.update(Spinner("dots", "spinning"), refresh=True)
    out.print(Bar(10, 2, 7), decimal(123456))
    return repr(out.export_text(styles=True)) + repr(out.file.getvalue())


def fails(count: int) -> float:
    local = {"count": count}
    return 1 / local["count"] if count == 0 else fails(count - 1)


def show_tracebacks() -> str:
    try:
        try:
            fails(3)
        except ZeroDivisionError as error:
            raise ValueError("[red]bad") from error
    except ValueError:
        made = Traceback(show_locals=True, width=90, locals_max_length=4)
    return shown(made, width=90)


def show_text() -> str:
    text = Text.from_markup("[bold]Hello[/bold] :smile: [on red]World[/] [link=x]y[/link] \\[z]")
    text.append(" more", "italic").highlight_words(["Hello"], "underline")
    text.truncate(30, overflow="ellipsis")
    words = text.divide([3, 8, 12])
    ansi = Text.from_ansi("\x1b[1;31mred\x1b[0m plain")
    style = Style.parse("bold not italic #ff0000 on color(9)") + Style(link="y", meta={"a": 1})
    wide = Text("全角 文字 wrap " * 8, justify="center")
    styles = f"{style} {Style.combine([style, Style.null()])} {Emoji.replace(':heart:')}"
    times = ISO8601Highlighter()("2020-01-01T10:00:00Z")
    return shown(text, *words, ansi, wide, styles, times, Padding("p", (1, 4), style="on blue"))


def show_pretty() -> str:
    data = {"k": [Point(1, [2, {"a"}]), (1,), b"x" * 40], "long": list(range(60)), 1.5: None}
    expanded = pretty_repr(data, max_width=30, max_length=5, max_string=10)
    nested = Pretty(data, indent_guides=True, max_depth=2)
    return shown(nested, JSON('{"a": [1, true, null, "x"]}')) + expanded


def show_console() -> str:
    out = console()
    out.print_json('{"b": [1]}')
    inspect(Point(1, [2]), console=out, methods=False, private=True, docs=True)
    with out.capture() as capture, out.status("working"):
        out.rule("[warning]rule")
    out.print("left", 1, {"a": 2}, sep="|", justify="right", style="info", highlight=True)
    out.print("[nope]kept[/nope]", markup=False, overflow="fold", soft_wrap=True)
    with out.screen(hide_cursor=False):
        out.print("screen")
    segments = out.render_lines(table(), pad=True)
    svg = out.export_svg(title="x", unique_id="id", clear=False)
    return "".join([capture.get(), str(len(segments)), svg, out.export_html(inline_styles=True)])


def show_errors() -> str:
    found = []
    for markup in ["[/closed]", "[bold]open[/italic]", "[@click=1(]x[/]"]:
        try:
            found.append(shown(markup))
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    return "\n".join(found)


def show_prompts() -> str:
    out, answers = console(), []
    answers.append(Prompt.ask("Name", console=out, default="x", stream=io.StringIO("\n")))
    choice = io.StringIO("c\nb\n")
    answers.append(Prompt.ask("One", console=out, choices=["a", "b"], stream=choice))
    answers.append(IntPrompt.ask("Number", console=out, stream=io.StringIO("x\n4\n")))
    answers.append(Confirm.ask("Sure", console=out, stream=io.StringIO("maybe\ny\n")))
    return repr(answers) + out.export_text()


def show_logging() -> str:
    out = console()
    handler = RichHandler(console=out, show_path=True, markup=True, log_time_format="[then]")
    logger = logging.Logger("workload")
    logger.addHandler(handler)
    logger.warning("a [b]warning[/b] %s", 1)
    logger.info("GET /x 200")
    return out.export_text()


def show_log() -> str:
    out = console()
    out.log("logged", {"a": 1}, log_locals=True)
    return out.export_text()
