"""Programs that `hotpatch run` runs while their files are saved."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOTPATCH = [sys.executable, "-m", "hotpatch", "run"]


class Running:
    """A program that runs, and says a line for each line that it gets."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Whoever runs the tests in the background may let them ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def ask(self) -> str:
        """Let it go one step, and return what it says."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def report(self) -> str:
        """Return the next line of what is said about reloads."""
        assert self.process.stderr is not None
        return self.process.stderr.readline().rstrip()

    def end(self) -> tuple[int, str]:
        """Let it come to its end, and return the exit code and what else it wrote."""
        _, errors = self.process.communicate("")
        return self.process.returncode, errors


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[type[Running]]:
    running = []

    class Noted(Running):
        def __init__(self, command: list[str], folder: Path) -> None:
            super().__init__(command, folder)
            running.append(self.process)

    yield Noted
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with its children
        process.communicate()


def write(folder: Path, name: str, text: str) -> None:
    """Write a file so that nobody sees half of it."""
    (folder / "new").write_text(text)
    os.replace(folder / "new", folder / name)
