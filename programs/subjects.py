"""What is run, and which results have to differ and why."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Program:
    """A program, and those of its own tests that are run."""

    package: str
    tests: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """More options for pytest."""
    not_imported: tuple[str, ...] = ()
    """Modules that are for another platform, or for tests."""


PROGRAMS = {
    program.package: program
    for program in [
        # This one takes longest.
        Program(
            "sqlalchemy",
            tests=tuple(
                f"test/{name}"
                for name in [
                    "base",
                    "ext/test_hybrid.py",
                    "orm/test_mapper.py",
                    "orm/test_session.py",
                    "sql/test_select.py",
                    "sql/test_selectable.py",
                ]
            ),
            not_imported=("sqlalchemy.testing",),
        ),
        Program("rich"),
        Program("click", tests=("tests",), not_imported=("click._winconsole",)),
        Program("jinja2", tests=("tests",)),
        Program(
            "requests",
            # The others need a server that is not in the archive, or wait for time-outs.
            tests=tuple(
                f"tests/test_{name}.py"
                for name in ["adapters", "help", "hooks", "packages", "structures", "utils"]
            ),
            options=("--noconftest",),  # which is for that server
        ),
    ]
}

LEVELS = "it wants the line that is so many levels up the stack, and there are more levels"
TRACEBACK = "it looks at a traceback, which has more entries for each call"

# Results that differ while the hooks are there, and have to.
EXPECTED = {
    "show_log": LEVELS,
    "tests/test_debug.py::TestDebug::test_runtime_error": TRACEBACK,
}
