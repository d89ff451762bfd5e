"""click: groups, options of all types, prompts, errors, completion."""

from __future__ import annotations

import datetime
import enum
import pathlib
import tempfile
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ZshComplete
from click.testing import CliRunner


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Complex(click.ParamType):
    name = "complex"

    def convert(self, value: Any, param: Any, ctx: Any) -> complex:
        try:
            return complex(value)
        except ValueError:
            message = f"{value!r} is not complex"
        return self.fail(message, param, ctx)


@click.group(invoke_without_command=True)
@click.version_option("1.2", prog_name="app")
@click.option("-v", "--verbose", count=True, envvar="APP_VERBOSE", show_envvar=True)
@click.pass_context
def app(ctx: click.Context, verbose: int) -> None:
    """An application."""
    ctx.obj = {"verbose": verbose}
    if ctx.invoked_subcommand is None:
        click.secho("nothing to do", fg="green", bold=True)


@app.command(short_help="Takes options.")
@click.option("--number", type=int, default=3, show_default=True)
@click.option("--ratio", type=click.FloatRange(0, 1, max_open=True, clamp=False))
@click.option("--level", type=click.IntRange(1, 5, clamp=True), default=9)
@click.option("--colour", type=click.Choice(Colour, case_sensitive=False))
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), default="2020-02-03")
@click.option("--uuid", type=click.UUID)
@click.option("--pair", type=(str, int), multiple=True)
@click.option("--complex", "value", type=Complex())
@click.option("--shout/--no-shout", " /-S", default=True)
@click.option("--secret", hidden=True)
@click.option("--old", deprecated="use --number", expose_value=False)
@click.argument("file", type=click.File("r"), required=False)
@click.argument("paths", type=click.Path(path_type=pathlib.PurePosixPath), nargs=-1)
@click.pass_obj
def options(obj: dict[str, int], day: datetime.datetime, file: Any, **others: Any) -> None:
    """Takes options of all types.

    \b
    As it
    stands.
    """
    text = file.read() if file else ""
    click.echo(f"{obj} {day:%d.%m.%Y} {text!r} {sorted(others.items())}")


@app.command()
@click.option("--name", prompt="Your name", default="nobody")
@click.password_option()
@click.confirmation_option(prompt="Sure?")
def ask(name: str, password: str) -> None:
    number = click.prompt("Number", type=click.IntRange(0, 9))
    kind = click.prompt("Kind", type=click.Choice(["a", "b"]), show_choices=True)
    click.echo(f"{name} {len(password)} {number} {kind}")


@app.group("chain", chain=True)
def chain() -> None:
    """Commands in a row."""


@chain.result_callback()
def end(results: list[str]) -> None:
    click.echo(" then ".join(results))


@chain.command()
@click.argument("text", callback=lambda ctx, param, value: value.upper())
def say(text: str) -> str:
    return text


@chain.command()
@click.pass_context
def count(ctx: click.Context) -> str:
    with click.progressbar(range(4), label="Counting", width=10) as bar:
        return str(sum(bar))


@app.command()
@click.argument("how", shell_complete=lambda ctx, param, text: [CompletionItem("abort", help="A")])
@click.pass_context
def fail(ctx: click.Context, how: str) -> None:
    ctx.call_on_close(lambda: click.echo("closed"))
    if how == "abort":
        raise click.Abort
    if how == "usage":
        raise click.UsageError("used wrongly", ctx)
    if how == "parameter":
        raise click.BadParameter("bad", ctx, param_hint="--x")
    if how == "file":
        raise click.FileError("x.txt", "gone")
    if how == "exit":
        ctx.exit(7)
    ctx.fail(how)


COMMANDS = [
    "",
    "--version",
    "--help",
    "options --help",
    "chain --help",
    "-vv options --ratio 0.5 --colour red --pair a 1 --pair b 2 --complex 1+2j -S",
    "options --uuid 12345678123456781234567812345678 --day 2021-12-31 - a b/c",
    "options --ratio 1",
    "options --colour green",
    "options --day today",
    "options --pair a b",
    "options --complex x",
    "options --uuid x",
    "options --numbre 4",
    "options --number",
    "options --old 1",
    "options /does/not/exist",
    "ask --name me",
    "chain say one count say two",
    "chain say",
    "fail abort",
    "fail usage",
    "fail parameter",
    "fail file",
    "fail exit",
    "fail other",
    "no-such-command",
]


def show_commands() -> str:
    lines = []
    with tempfile.TemporaryDirectory() as directory:
        runner = CliRunner(env={"APP_VERBOSE": "1"})
        with runner.isolated_filesystem(directory):
            for command in COMMANDS:
                said = "me\nsecret\nsecret\ny\n12\n4\nc\nb\n"
                result = runner.invoke(app, command, input=said, color=not command)
                lines.append(f"$ {command}\n{result.output}{result.stderr}")
                lines.append(f"{result.exit_code} {result.exception!r}")
    return "\n".join(lines)


def show_completion() -> str:
    lines = []
    for shell in (BashComplete, ZshComplete, FishComplete):
        complete = shell(app, {}, "app", "_APP_COMPLETE")
        lines.append(complete.source_vars()["complete_func"])
        for args, last in [([], ""), ([], "o"), (["options"], "--"), (["fail"], "")]:
            found = complete.get_completions(args, last)
            lines.extend(complete.format_completion(item) for item in found)
        found = complete.get_completions(["options", "--colour"], "R")
        lines.extend(complete.format_completion(item) for item in found)
    return "\n".join(lines)


def show_info() -> str:
    context = click.Context(app, info_name="app")
    return repr(context.to_info_dict()["command"]["params"])


def show_text() -> str:
    formatter = click.HelpFormatter(width=50)
    formatter.write_usage("app", "[OPTIONS] " * 8)
    with formatter.section("Words"):
        formatter.write_dl([("one", "first " * 20), ("a-much-longer-term-than-that", "second")])
    formatter.write_text("word " * 40)
    styled = click.style("x", fg=(1, 2, 3), bg="red", underline=True, reset=False)
    return formatter.getvalue() + repr(styled) + click.unstyle(styled) + click.format_filename(b"a")
