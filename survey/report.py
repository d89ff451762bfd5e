"""Writes docs/survey.md from what the surveys of several Pythons found.

python -m survey.report 3.10.json 3.11.json ... > docs/survey.md
"""

from __future__ import annotations

import collections
import json
import sys
from pathlib import Path
from typing import Any

HEAD = """# Survey

Which callables of the standard library that are written in C can be patched?
Each one is patched with a function that counts, called 60 times at one place, and unpatched again.

```
python -m survey --json 3.13.json                 # once with each Python
python -m survey.report *.json > docs/survey.md   # writes this page
```

`make survey` does it with the Python of the development environment.
"""
KINDS = ["builtin function", "bound method", "method", "class method"]
SLOTS = ("slot", "tp_new")


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(files: list[str]) -> None:
    reports: list[dict[str, Any]] = [json.loads(Path(file).read_text("utf-8")) for file in files]
    versions = [report["version"] for report in reports]
    only_patched = [collections.Counter(report["not_called"].values()) for report in reports]
    reasons = [
        collections.Counter(reason for _, reason in report["refused"].values())
        for report in reports
    ]
    every = sorted(
        {reason for counts in reasons for reason in counts},
        key=lambda reason: -max(counts[reason] for counts in reasons),
    )
    rows = [[f"{kind}: every call reached the patch"] for kind in KINDS]
    for row, kind in zip(rows, KINDS, strict=True):
        row += [str(report["reached"].get(kind, 0)) for report in reports]
    rows += [[f"{kind}: patched, no instance at hand to call it with"] for kind in KINDS[2:3]]
    rows[-1] += [str(counts[KINDS[2]]) for counts in only_patched]
    rows += [["**a call did not reach the patch**", *[str(len(it["bypassed"])) for it in reports]]]
    rows += [["**not as before after undo**", *[str(len(it["not_undone"])) for it in reports]]]
    print(HEAD)
    print(table(["patched", *versions], rows))
    print("\n## Refused\n")
    print("Slots are for operators and C code, which do not ask the method.\n")
    print(table(["why", *versions], [[r, *[str(c[r]) for c in reasons]] for r in every]))
    print("\nThose that are no slots:\n")
    names: dict[str, list[str]] = collections.defaultdict(list)
    for report in reports:
        for name, (_, reason) in report["refused"].items():
            if not any(word in reason for word in SLOTS):
                names[name].append(report["version"].rpartition(".")[0])
    for name, where in sorted(names.items()):
        print(f"- `{name}`" + ("" if len(where) == len(reports) else f" ({', '.join(where)})"))
    patched = [sum(report["reached"].values()) + len(report["not_called"]) for report in reports]
    others = [sum(c for r, c in it.items() if not any(w in r for w in SLOTS)) for it in reasons]
    shares = [f"{100 * p / (p + o):.1f} %" for p, o in zip(patched, others, strict=True)]
    print("\nOf what is no slot, this much can be patched:\n")
    print(table(["", *versions], [["patched", *shares]]))


if __name__ == "__main__":
    main(sys.argv[1:])
