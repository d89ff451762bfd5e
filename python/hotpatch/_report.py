"""What a reload did, and what it could not do."""

from dataclasses import dataclass, field

from hotpatch._native import Statement


@dataclass(frozen=True)
class Change:
    """One thing that a reload changed, or left out."""

    # "updated", "renamed", "added", "deleted", "ran", "stale" or "not applied".
    kind: str
    # The qualified name of what changed, or the names that a statement binds.
    qualname: str
    file: str
    # In the text as it is now; for what was deleted, as it was.
    line: int
    # Why it is stale, or was left out.
    why: str = ""

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        return f"{self.kind} {self.qualname} ({self.file}:{self.line}){why}"


@dataclass
class Reload:
    """What a reload did.

    Printed, it is a short report.
    """

    # What is other than before.
    changes: list[Change] = field(default_factory=list)
    # Functions that go on as before, since they lack a variable that the new text captures.
    stale: list[Change] = field(default_factory=list)
    # What the new text says and was not done.
    not_applied: list[Change] = field(default_factory=list)
    # What made it fail.
    errors: list[BaseException] = field(default_factory=list)
    # In seconds.
    duration: float = 0.0

    def __str__(self) -> str:
        lines = [str(it) for it in (*self.changes, *self.stale, *self.not_applied)]
        lines += [f"failed: {type(error).__name__}: {error}" for error in self.errors]
        return "\n".join(lines) or "nothing changed"


class Report:
    """Takes down what becomes of one file."""

    def __init__(self, reload: Reload, file: str) -> None:
        self._reload = reload
        self._file = file

    def add(self, kind: str, qualname: str, statement: Statement) -> None:
        """Take down a change."""
        self._reload.changes.append(Change(kind, qualname, self._file, statement.lines[0]))

    def leave_out(self, qualname: str, statement: Statement, why: str) -> None:
        """Take down what is not done."""
        change = Change("not applied", qualname, self._file, statement.lines[0], why)
        self._reload.not_applied.append(change)

    def keep(self, qualname: str, line: int, count: int) -> None:
        """Take down functions that keep their code."""
        why = f"{count} live, made before it captured another variable"
        self._reload.stale.append(Change("stale", qualname, self._file, line, why))
