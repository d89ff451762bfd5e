"""The benchmarks run and print their tables; what they measure is not judged here."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*arguments: str) -> str:
    """Return what Python prints with these arguments."""
    process = subprocess.run(
        [sys.executable, "-X", "utf8", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize(
    ("bench", "titles", "row"),
    [
        pytest.param(
            "calls",
            [
                "Calling a patched function",
                "Calling a function whose patch was undone",
                "Calling a function that was never patched",
                "Calling a function that was replaced in other ways",
                "Calling a function patched with a callable that is no function",
            ],
            "keyword argument",
            id="calls",
        ),
        pytest.param(
            "apply_undo",
            ["Applying a patch and undoing it", "Applying and undoing by what is patched"],
            "`hotpatch`",
            id="apply_undo",
        ),
        pytest.param(
            "hooks",
            [
                "Calling a function with a hook around it that passes everything on",
                "Calling a function that a hook observes",
                "Calling a function that is patched for another context or thread",
                "Putting a hook in place and taking it away",
            ],
            '`hotpatch`, `how="around"`',
            id="hooks",
        ),
        pytest.param(
            "c_functions",
            [
                "Calling a patched C function",
                "Patching what is written in C, and undoing it",
                "Asking a stopped clock",
                "Stopping the clock and letting it go on",
            ],
            "`time.time`, patched with it",
            id="c_functions",
        ),
        pytest.param(
            "scaling",
            [
                "By the number of modules that imported the function",
                "By the number of functions patched in the process",
                "By the number of patches on one function",
            ],
            "apply and undo one more, 100,000 active",
            id="scaling",
        ),
        pytest.param(
            "import_time",
            ["Importing"],
            "`import hotpatch`, added to it",
            id="import_time",
        ),
        pytest.param(
            "reload",
            [
                "Applying an edit",
                "The longest pause of the main thread while an edit is applied",
                "Applying an edit beside ten million objects",
                "From an edit to the first call of new code",
                "Having live reload at hand",
                "Memory for live reload",
            ],
            "200 lines, shift: hotpatch",
            id="reload",
        ),
    ],
)
def test_a_benchmark_prints_its_tables(bench: str, titles: list[str], row: str) -> None:
    """One round of each contestant, so that no benchmark rots."""
    printed = run("-m", "benches", bench, "--rounds", "1")

    assert re.findall("^### (.*)$", printed, re.MULTILINE) == titles
    assert re.search(rf"^\| {re.escape(row)} \| -?\d", printed, re.MULTILINE), printed
    assert not re.search(r"`.*hotpatch.*` \| fails", printed), printed


def test_a_peer_that_is_not_installed_is_named_in_the_table() -> None:
    """Whoever lacks a peer still gets the figures of all the others."""
    without_wrapt = """
import runpy, sys
sys.modules["wrapt"] = None
sys.argv[1:] = ["apply_undo", "--rounds", "1"]
runpy.run_module("benches", run_name="__main__")
"""
    printed = run("-c", without_wrapt)

    assert "| `wrapt.wrap_function_wrapper` | not installed |" in printed
    assert re.search(r"^\| `hotpatch` \| \d", printed, re.MULTILINE), printed


def test_the_report_has_a_column_for_each_python(tmp_path: Path) -> None:
    """The page of results is written from the files of several runs."""
    newer, older = tmp_path / "newer.json", tmp_path / "older.json"
    run("-m", "benches", "import_time", "--rounds", "1", "--json", str(newer))
    found = json.loads(newer.read_text(encoding="utf-8"))
    older.write_text(json.dumps({**found, "python": "3.9.1"}), encoding="utf-8")

    page = run("-m", "benches.report", str(newer), str(older))

    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    _, table = page.split("## Importing")
    assert f"|  | 3.9 | {running} |" in table
