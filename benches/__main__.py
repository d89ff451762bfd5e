"""Runs the benchmarks, all or those that are named, and prints their tables as Markdown."""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benches import apply_undo, c_functions, calls, hooks, import_time, reload, scaling
from benches.tables import Table, one_version

BENCHES = {
    "calls": calls.run,
    "apply_undo": apply_undo.run,
    "c_functions": c_functions.run,
    "hooks": hooks.run,
    "scaling": scaling.run,
    "import_time": import_time.run,
    "reload": reload.run,
}
PEERS = (
    *("aspectlib", "ddtrace", "freezegun", "ipython", "jurigged", "patchy"),
    *("pytest", "pytest-mock", "reloadium", "time-machine", "wrapt"),
)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHES))
    parser.add_argument("--rounds", type=int, default=400, help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for benches.report")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    tables: list[Table] = []
    for name in options.names or BENCHES:
        for table in BENCHES[name](options.rounds):
            print(one_version(table), flush=True)
            tables.append(table)
    if options.json:
        found = {
            **surroundings(),
            "rounds": options.rounds,
            "tables": [asdict(table) for table in tables],
        }
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def surroundings() -> dict[str, object]:
    """Tell what the figures depend on."""
    return {
        "python": platform.python_version(),
        "compiler": platform.python_compiler(),
        "jit": jit(),
        "machine": f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores",
        "peers": {peer: installed(peer) for peer in PEERS},
    }


def jit() -> str:
    """Tell whether this Python compiles what is called often, as 3.14 and later can."""
    interface = getattr(sys, "_jit", None)  # Since 3.14
    return "none" if interface is None else "on" if interface.is_enabled() else "off"


def installed(distribution: str) -> str | None:
    """Return the version that is installed, if any."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
