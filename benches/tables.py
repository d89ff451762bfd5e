"""What a benchmark found, and how it is written down."""

from dataclasses import dataclass
from typing import Any

UNITS = (("ns", 1), ("µs", 1_000), ("ms", 1_000_000))


@dataclass(frozen=True)
class Row:
    """One thing that was timed. `note` says why there are no figures."""

    name: str
    nanoseconds: float | None = None
    ratio: float | None = None
    note: str = ""
    goal: float | None = None


@dataclass(frozen=True)
class Table:
    """The answer to one question.

    `ratio_to` says what the ratios are relative to. `shown` is "ratio" or "time": the figure that
    the comparison of Python versions shows, and that the goals of the rows are about.
    """

    title: str
    text: str
    ratio_to: str
    shown: str
    rows: list[Row]

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Table":
        """Make the table that `dataclasses.asdict` turned into `fields`."""
        return cls(**{**fields, "rows": [Row(**row) for row in fields["rows"]]})

    def cell(self, row: Row) -> str:
        """Write the figure that counts; bold if it misses the row's goal."""
        figure = row.ratio if self.shown == "ratio" else row.nanoseconds
        if figure is None:
            return row.note
        # Judged by the written digits: a reader could not see why 1.034 is bold.
        digits = round(figure, 2) if self.shown == "ratio" else figure
        written = ratio(figure) if self.shown == "ratio" else duration(figure)
        return f"**{written}**" if row.goal is not None and digits > row.goal else written


def ratio(figure: float) -> str:
    """Write a ratio with the digits that mean something."""
    return f"{figure:.2f}" if figure < 10 else f"{figure:,.0f}"


def duration(nanoseconds: float) -> str:
    """Write a time in the unit that suits it."""
    unit, factor = next((unit for unit in UNITS if abs(nanoseconds) < 999.5 * unit[1]), UNITS[-1])
    figure = nanoseconds / factor
    return f"{figure:,.0f} {unit}" if abs(figure) >= 99.5 else f"{figure:.3g} {unit}"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table: the first column is text, the others are figures."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def one_version(table: Table) -> str:
    """Write a table of one run, with times and ratios."""
    rows = [
        [
            row.name,
            row.note if row.nanoseconds is None else duration(row.nanoseconds),
            "" if row.ratio is None else ratio(row.ratio),
        ]
        for row in table.rows
    ]
    figures = markdown(["", "time", "ratio"], rows)
    return f"### {table.title}\n\n{explained(table, with_ratio=True)}\n\n{figures}\n"


def explained(table: Table, *, with_ratio: bool) -> str:
    """Write what stands above the figures."""
    ratio_to = f"The ratio is to {table.ratio_to}." if with_ratio and table.ratio_to else ""
    return f"{table.text} {ratio_to}".strip()
