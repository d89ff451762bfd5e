"""Programs that run, and are edited while they do, with what they said and what was reported."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from running import HOTPATCH, write

LIVE = Path(__file__).with_name("live")
# Far more than any of it takes.
LONG = 60.0


class Live:
    """A program of the folder `live` that `hotpatch run` runs in a folder of its own."""

    def __init__(
        self, folder: Path, arguments: list[str], files: dict[str, str], *, is_run: bool = True
    ) -> None:
        self.folder = folder / "program"
        self.folder.mkdir(exist_ok=True)
        for name, text in files.items():
            self.save(name, text)
        # Not in the folder that is watched.
        self._said, self._reported = folder / "said", folder / "reported"
        command = [*HOTPATCH, *arguments] if is_run else [HOTPATCH[0], *arguments]
        with self._said.open("wb") as said, self._reported.open("wb") as reported:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=reported,
                start_new_session=True,
            )

    def __enter__(self) -> "Live":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def save(self, name: str, text: str) -> None:
        """Save a file at once, as most editors do."""
        write(self.folder, name, text)

    def said(self) -> list[str]:
        """Return the lines that it wrote to standard output."""
        lines = self._said.read_text(encoding="utf-8").split("\n")
        return lines[:-1]

    def last(self, count: int = 1) -> list[Any]:
        """Return the last things that it said, in the order in which it said them."""
        with self._said.open("rb") as said:
            said.seek(max(said.seek(0, os.SEEK_END) - 100 * count, 0))
            lines = said.read().split(b"\n")[:-1]
        return [json.loads(line) for line in lines[-count:]]

    def reported(self) -> str:
        """Return what was written to standard error."""
        return self._reported.read_text(encoding="utf-8")

    def wait_for(self, is_so: Callable[..., object], *arguments: object) -> None:
        """Wait until something is so, while the program runs."""
        end = time.monotonic() + LONG
        while not is_so(*arguments):
            assert self.process.poll() is None, self.reported()
            assert time.monotonic() < end, self.reported()
            time.sleep(0.005)

    def ends(self) -> None:
        """Wait until it ends, which it must do well."""
        assert self.process.wait(LONG) == 0, self.reported()


def text_of(name: str) -> str:
    """Return the text of a file of the folder `live`."""
    return (LIVE / name).read_text(encoding="utf-8")


def version(text: str, number: int) -> str:
    """Return the text in which all that says 1 says another number."""
    return re.sub(r"\b1\b", str(number), text)
