"""The command `hotpatch`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from hotpatch._run import Program

_RUN = """\
Run a program. When one of its source files is saved, it changes while it runs, with its state kept.

What was changed, what could not be, and why, is written to standard error.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="hotpatch", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    run = verbs.add_parser(
        "run",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_RUN,
        help="run a program that changes when its files are saved",
        usage="hotpatch run [OPTION]... [-m] TARGET [ARGUMENT]...",
    )
    run.add_argument(
        "--watch",
        metavar="PATH",
        action="append",
        default=[],
        type=_existing,
        help="a file or folder to watch; by default the folder of the script, or with -m the "
        "current one (can be given several times)",
    )
    run.add_argument(
        "--exclude",
        metavar="GLOB",
        action="append",
        default=[],
        help="files and folders in there to leave out (can be given several times)",
    )
    run.add_argument(
        "--poll",
        metavar="SECONDS",
        type=_seconds,
        help="look at the files so often, where the system does not tell of changes",
    )
    run.add_argument(
        "--loop",
        metavar="MODULE:FUNCTION",
        type=_named,
        help="when the program calls this function, call it again after each save",
    )
    loudness = run.add_mutually_exclusive_group()
    loudness.add_argument("-q", "--quiet", action="store_true", help="only say what failed")
    loudness.add_argument("-v", "--verbose", action="store_true", help="say what is watched too")
    run.add_argument("-m", dest="is_module", action="store_true", help="TARGET is a module")
    run.add_argument("target", metavar="TARGET", help="a script, a folder, a zip file or a module")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT")
    options = parser.parse_args(arguments)
    Program(
        options.target,
        options.arguments,
        is_module=options.is_module,
        watch=options.watch,
        exclude=options.exclude,
        poll=options.poll,
        loop=options.loop,
        quiet=options.quiet,
        verbose=options.verbose,
    ).run()


def _existing(path: str) -> str:
    if not os.path.exists(path):
        raise argparse.ArgumentTypeError(f"nothing is at {path}")
    return path


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < sys.maxsize:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds


def _named(text: str) -> str:
    module, _, name = text.partition(":")
    if not module or not name:
        raise argparse.ArgumentTypeError(f"{text} is not of the form MODULE:FUNCTION")
    return text
