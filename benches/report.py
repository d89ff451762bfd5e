"""Joins the runs of several Python versions into docs/benchmarks.md, one column per version.

python -m benches.report 3.10.json 3.11.json … > docs/benchmarks.md
"""

import json
import sys
from pathlib import Path
from typing import Any

from benches.tables import Table, explained, markdown

INTRODUCTION = """\
# Benchmarks

How to get these figures:

```
python -m pip install -r benches/requirements.txt
maturin develop --release
python -m benches --json 3.13.json                      # once with each Python
python -m benches.report *.json > docs/benchmarks.md    # writes this page
```

`python -m benches calls` runs one benchmark: \
`calls`, `apply_undo`, `c_functions`, `hooks`, `scaling`, `import_time` or `reload`.
Each run prints its own tables, with times and ratios.

The machine ({machine}) had other work to do at the same time.
So the contestants of a comparison are timed in turn, each for half a millisecond, and every ratio \
is the median of the ratios within such rounds: {rounds} of them, fewer where a round takes long.
Times of different Python versions do not compare well, since they were built in different ways.
No garbage is collected while the clock runs.
A figure in bold misses its goal.
"""


def main(paths: list[str]) -> None:
    """Print the page."""
    runs = [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]
    runs.sort(key=lambda run: [int(part) for part in run["python"].split(".")[:2]])
    machines = sorted({run["machine"] for run in runs})
    rounds = sorted({str(run["rounds"]) for run in runs})
    print(INTRODUCTION.format(machine="; ".join(machines), rounds=" or ".join(rounds)))
    print(surroundings(runs))
    tables = [[Table.from_json(fields) for fields in run["tables"]] for run in runs]
    for title in dict.fromkeys(table.title for run in tables for table in run):
        same = [next((table for table in run if table.title == title), None) for run in tables]
        print(side_by_side(same, [column(run) for run in runs]))


def column(run: dict[str, Any]) -> str:
    """Return the heading for a run's column: 3.13."""
    return ".".join(run["python"].split(".")[:2])


def surroundings(runs: list[dict[str, Any]]) -> str:
    """Write which versions were compared."""
    peers = list(runs[0]["peers"])
    rows = [["Python", *(run["python"] for run in runs)]]
    rows.append(["compiler", *(run["compiler"] for run in runs)])
    rows.append(["JIT", *(run["jit"] for run in runs)])
    rows += [[peer, *(run["peers"][peer] or "not installed" for run in runs)] for peer in peers]
    return markdown(["", *map(column, runs)], rows) + "\n"


def side_by_side(tables: list[Table | None], columns: list[str]) -> str:
    """Write one question's table, with a column for each run; empty where it was not asked."""
    first = next(table for table in tables if table is not None)
    names = dict.fromkeys(row.name for table in tables if table for row in table.rows)
    rows = []
    for name in names:
        cells = [
            next((table.cell(row) for row in table.rows if row.name == name), "") if table else ""
            for table in tables
        ]
        rows.append([name, *cells])
    text = explained(first, with_ratio=first.shown == "ratio")
    return f"## {first.title}\n\n{text}\n\n{markdown(['', *columns], rows)}\n"


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    main(sys.argv[1:])
