"""What a reload did, and what it could not do."""

from __future__ import annotations

from types import ModuleType

from hotpatch._native import Statement


class Change:
    """One thing that a reload changed, or left out."""

    __slots__ = ("file", "kind", "line", "qualname", "why")

    def __init__(self, kind: str, qualname: str, file: str, line: int, why: str = "") -> None:
        # "updated", "renamed", "added", "deleted", "ran", "stale" or "not applied".
        self.kind: str = kind
        # The qualified name of what changed, or the names that a statement binds.
        self.qualname: str = qualname
        self.file: str = file
        # In the text as it is now; for what was deleted, as it was.
        self.line: int = line
        # It is stale, or was left out.
        self.why: str = why

    def __str__(self) -> str:
        why = f": {self.why}" if self.why else ""
        return f"{self.kind} {self.qualname} ({self.file}:{self.line}){why}"

    def __repr__(self) -> str:
        return f"<Change: {self}>"


class Reload:
    """What a reload did.

    Printed, it is a short report.
    """

    def __init__(self) -> None:
        # The files whose text is another.
        self.files: list[str] = []
        # What is other than before.
        self.changes: list[Change] = []
        # Functions that go on as before, since they lack a variable that the new text captures,
        # and what is left of a class or an enum member that another object has taken the place of.
        self.stale: list[Change] = []
        # What the new text says and was not done.
        self.not_applied: list[Change] = []
        # What made it fail.
        self.errors: list[BaseException] = []
        # In seconds.
        self.duration: float = 0.0
        # The modules that changed, with what their texts were before, or None if nobody knows.
        self._before: list[tuple[ModuleType, str | None]] = []

    def revert(self) -> Reload:
        """Make the modules again what they were before, whatever has become of them since.

        This is a reload as well: what stays the same is not executed. The files stay as they are,
        and are read again when they are saved, or when `reload` is called.

        Raises `ReloadError` if that fails; nothing has changed then. Raises `ValueError` if it is
        not known what a module was made of, since its file was edited before it was looked at.
        """
        from hotpatch._reload import apply_texts  # it imports this

        texts: list[tuple[ModuleType, str]] = []
        for module, text in self._before:
            if text is None:
                raise ValueError(
                    f"cannot revert {module.__name__}: nobody knows its text of before"
                )
            texts.append((module, text))
        return apply_texts(texts)

    def __str__(self) -> str:
        lines = [str(it) for it in (*self.changes, *self.stale, *self.not_applied)]
        lines += [f"failed: {type(error).__name__}: {error}" for error in self.errors]
        return "\n".join(lines) or "nothing changed"


def bring_into_order(reload: Reload, files: list[str]) -> None:
    """Sort what a reload lists by some files, and by their lines."""
    order = {file: number for number, file in enumerate(dict.fromkeys(files))}
    for changes in (reload.changes, reload.stale, reload.not_applied):
        # A file in which nothing could be planned comes last.
        changes.sort(key=lambda it: (order.get(it.file, len(order)), it.line))


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

    def add_unknown(self, module: str) -> None:
        """Take down that only functions were compared."""
        why = "its file was edited before it was first looked at, so only functions were compared"
        self._reload.not_applied.append(Change("not applied", module, self._file, 1, why))

    def keep(self, qualname: str, line: int, count: int) -> None:
        """Take down functions that keep their code."""
        why = f"{count} live, made before it captured another variable"
        self._reload.stale.append(Change("stale", qualname, self._file, line, why))

    def keep_holders(self, qualname: str, line: int, count: int) -> None:
        """Take down that objects hold what something was before."""
        holders = "1 object holds" if count == 1 else f"{count} objects hold"
        why = f"{holders} what it was, such as a list or an instance"
        self._reload.stale.append(Change("stale", qualname, self._file, line, why))

    def replace(self, qualname: str, statement: Statement, why: str) -> None:
        """Take down that an object could not change, and that another has taken its place."""
        self._reload.stale.append(Change("stale", qualname, self._file, statement.lines[0], why))
