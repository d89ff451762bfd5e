"""Writes what a reload did for people at a terminal."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from hotpatch._report import Change, Reload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_COLOURS = {"red": 31, "green": 32, "yellow": 33, "bold": 1, "dim": 2}
_FOLDER = os.path.dirname(__file__) + os.sep


class Console:
    """Writes reports to a stream, by default to what is standard error then."""

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        verbose: bool = False,
        process: int | None = None,
    ) -> None:
        self._stream = stream
        self._is_quiet = quiet
        self._is_verbose = verbose
        # All others say which they are.
        self._process = process or os.getpid()

    def show(self, report: Reload) -> None:
        """Write what a reload did, unless that is nothing."""
        if report.errors:
            self._show_failure(report)
            return
        rows = [*report.changes, *report.stale, *report.not_applied]
        if self._is_quiet or not (rows or self._is_verbose):
            return
        count = len(report.changes)
        changes = "1 change" if count == 1 else f"{count or 'no'} changes"
        self.say(f"{changes} in {report.duration * 1000:.0f} ms", rows)

    def say(self, text: str, rows: list[Change] | None = None, colour: str = "bold") -> None:
        """Write a line of our own, and what belongs to it."""
        stream = self._stream or sys.stderr
        if stream is None:
            return  # there is none, as under pythonw
        own = os.getpid()
        name = "hotpatch:" if own == self._process else f"hotpatch ({own}):"
        first = f"{self._painted(stream, name, colour)} {text}"
        self._write(stream, [first, *self._rows(stream, rows or [])])

    def note(self, text: str) -> None:
        """Write a line for those who want to know more."""
        if self._is_verbose:
            self.say(text, colour="dim")

    def _show_failure(self, report: Reload) -> None:
        import traceback  # takes longer than all else here

        error = report.errors[0]
        lines = ["a reload failed, and nothing has changed"]
        trace = without_ours(error.__traceback__)
        lines += traceback.format_exception(type(error), error, trace)
        self.say("\n".join(line.rstrip("\n") for line in lines), colour="red")

    def _rows(self, stream: TextIO, changes: list[Change]) -> list[str]:
        places = [f"{_short(it.file)}:{it.line}" for it in changes]
        widths = [
            max(map(len, column), default=0)
            for column in ([it.kind for it in changes], [it.qualname for it in changes], places)
        ]
        lines = []
        for change, place in zip(changes, places, strict=True):
            kind = self._painted(stream, change.kind.ljust(widths[0]), _colour_of(change))
            line = f"  {kind}  {change.qualname.ljust(widths[1])}  {place.ljust(widths[2])}"
            lines.append(f"{line}  {change.why}".rstrip())
        return lines

    @staticmethod
    def _painted(stream: TextIO, text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if _takes_colours(stream) else text

    @staticmethod
    def _write(stream: TextIO, lines: list[str]) -> None:
        try:
            # At once, so that what others write does not come in between.
            stream.write("\n".join(lines) + "\n")
            stream.flush()
        except (OSError, ValueError):
            pass  # it is closed, or nobody reads it


def _takes_colours(stream: TextIO) -> bool:
    # https://no-color.org and https://force-color.org
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (
        stream.isatty() and os.environ.get("TERM") != "dumb"
    )


def _colour_of(change: Change) -> str:
    if change.why:
        return "yellow"
    return "red" if change.kind == "deleted" else "green"


def _short(file: str) -> str:
    """Return a path from the current folder, if it is in there."""
    try:
        short = os.path.relpath(file)
    except (OSError, ValueError):
        return file  # that folder is gone, or on another drive
    return file if short.startswith(os.pardir) else short


def without_ours(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from where code of others begins."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_FOLDER):
        trace = trace.tb_next
    return trace
