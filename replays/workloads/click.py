"""click: groups, options of all types, prompts, errors, completion."""

from __future__ import annotations

import enum
import pathlib
from typing import Any

import click
import click.shell_completion
import click.testing

from replays.workloads import each

COMMANDS = [
    "",
    "--version",
    "--help",
    "options --help",
    "chain --help",
    "-vv options --ratio 0.5 --colour red --pair a 1 --pair b 2 -S",
    "options --uuid 12345678123456781234567812345678 --day 2021-12-31 a b/c",
    "options --ratio 1",
    "options --colour green",
    "options --day today",
    "options --pair a b",
    "options --uuid x",
    "options --numbre 4",
    "options --number",
    "options --level 7",
    "options --path /does/not/exist",
    "ask --name me --password secret",
    "chain say one count say two",
    "chain say",
    "fail abort",
    "fail usage",
    "fail parameter",
    "fail exit",
    "fail other",
    "no-such-command",
]


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def application() -> Any:
    """Make an application with the click that there is now."""

    @click.group(invoke_without_command=True)
    @click.version_option("1.2", prog_name="app")
    @click.option("-v", "--verbose", count=True, envvar="APP_VERBOSE", show_envvar=True)
    @click.pass_context
    def app(ctx: Any, verbose: int) -> None:
        """An application."""
        ctx.obj = {"verbose": verbose}
        if ctx.invoked_subcommand is None:
            click.secho("nothing to do", fg="green", bold=True)

    @app.command(short_help="Takes options.")
    @click.option("--number", type=int, default=3, show_default=True, help="A number.")
    @click.option("--ratio", type=click.FloatRange(0, 1, max_open=True, clamp=False))
    @click.option("--level", type=click.IntRange(1, 5, clamp=True), default=9)
    @click.option("--colour", type=click.Choice(["red", "blue"], case_sensitive=False))
    @click.option("--day", type=click.DateTime(["%Y-%m-%d"]), default="2020-02-03")
    @click.option("--uuid", type=click.UUID)
    @click.option("--pair", type=(str, int), multiple=True)
    @click.option("--path", type=click.Path(exists=True))
    @click.option("--shout/--no-shout", " /-S", default=True)
    @click.option("--secret", hidden=True)
    @click.argument("paths", type=click.Path(path_type=pathlib.PurePosixPath), nargs=-1)
    @click.pass_obj
    def options(obj: dict[str, int], **others: Any) -> None:
        """Takes options of all types.

        \b
        As it
        stands.
        """
        click.echo(f"{obj} {sorted(others.items())}")

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
    def count() -> str:
        with click.progressbar(range(4), label="Counting", width=10) as bar:
            return str(sum(bar))

    @app.command()
    @click.argument("how")
    @click.pass_context
    def fail(ctx: Any, how: str) -> None:
        ctx.call_on_close(lambda: click.echo("closed"))
        if how == "abort":
            raise click.Abort
        if how == "usage":
            raise click.UsageError("used wrongly", ctx)
        if how == "parameter":
            raise click.BadParameter("bad", ctx, param_hint="--x")
        if how == "exit":
            ctx.exit(7)
        ctx.fail(how)

    return app


def show_commands() -> list[str]:
    lines = []
    runner = click.testing.CliRunner(env={"APP_VERBOSE": "1"})
    app = application()
    for command in COMMANDS:
        said = "y\n12\n4\nc\nb\n"
        result = runner.invoke(app, command, input=said, color=not command)
        lines.append(f"$ {command} {result.exit_code} {result.exception!r} {result.output!r}")
    return lines


def show_completion() -> list[str]:
    lines = []
    completion = click.shell_completion
    for shell in (completion.ZshComplete, completion.FishComplete):
        complete = shell(application(), {}, "app", "_APP_COMPLETE")
        lines.append(repr(complete.source()))
        for args, last in [
            ([], ""),
            ([], "o"),
            (["options"], "--"),
            (["options", "--colour"], "R"),
        ]:
            found = complete.get_completions(args, last)
            lines.extend(complete.format_completion(item) for item in found)
    return lines


def show_info() -> list[str]:
    context = click.Context(application(), info_name="app")
    return [repr(context.to_info_dict())]


def show_text() -> list[str]:
    formatter = click.HelpFormatter(width=50)
    formatter.write_usage("app", "[OPTIONS] " * 8)
    with formatter.section("Words"):
        formatter.write_dl([("one", "first " * 20), ("a-much-longer-term-than-that", "second")])
    formatter.write_text("word " * 40)
    expressions = """
click.style("x", fg=(1, 2, 3), bg="red", underline=True, reset=False), click.unstyle("\x1b[1mx\x1b[0m")
click.format_filename(b"a"), click.get_app_dir("My App", force_posix=True)[-8:], click.STRING, click.INT, click.BOOL
click.BOOL.convert("yes", None, None), click.Choice(["a"]).to_info_dict(), click.Choice(Colour).convert("RED", None, None)
click.BOOL.convert("maybe", None, None)
click.IntRange(0, 3)("4")
click.Tuple([int, str]).convert(["1", "a"], None, None), click.DateTime().name, click.File("r"), click.Path(file_okay=False).name
click.Option(["--a/--b"]).opts, click.Option(["-x", "--yes"], is_flag=True), click.Argument(["a"], nargs=2).make_metavar()
click.Option(["--a"], is_flag=True, multiple=True)
click.BaseCommand, click.MultiCommand, click.OptionParser, click.__version__
click.exceptions.NoSuchOption("--a", possibilities=["--b"]).format_message(), click.MissingParameter(param_type="x").format_message()
click.Command("c", params=[click.Option(["--n"], default=[1, 2], multiple=True, show_default=True)]).get_help(click.Context(click.Command("c")))
click.Command("c", params=[click.Option(["--n"], type=int)]).main(["--n", "3"], standalone_mode=False)
click.Command("c", callback=lambda n: n, params=[click.Option(["--n"], type=int)]).main(["--n", "3"], standalone_mode=False)
click.Context(click.Command("c"), info_name="c").command_path, click.Context(click.Command("c"), default_map={"a": 1}).lookup_default("a")
"""
    return [repr(formatter.getvalue()), *each(expressions, globals())]
