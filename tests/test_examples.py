"""Every example runs by itself, without a warning, and prints what it is there to show."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import compiled
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
LONGEST = 40  # lines

OUTPUTS = {
    "mock_everywhere.py": "",  # unittest writes to stderr
    "super_in_a_method.py": "before: 90\npatched: 79\noriginal: 69\nundone: 59\n",
    "trace_in_production.py": (
        "json.dumps({'seen': True}) -> 14 characters\njson.dumps([1, 2, 3]) -> 23 characters\n"
    ),
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def small_examples() -> list[str]:
    return sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "web_server.py")


@pytest.mark.parametrize("name", small_examples())
def test_prints_what_it_is_there_to_show(name: str) -> None:
    outcome = run(name)
    assert (outcome.returncode, outcome.stdout) == (0, OUTPUTS[name]), outcome.stderr


@pytest.mark.parametrize("name", small_examples())
def test_is_small(name: str) -> None:
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_the_mock_is_seen_by_both_tests_of_its_example() -> None:
    """One of them reaches the function by an imported name, the other through a table."""
    outcome = run("mock_everywhere.py")
    assert re.search(r"^Ran 2 tests in .*\n\nOK$", outcome.stderr, re.MULTILINE), outcome.stderr


def test_a_function_is_rewritten_in_rust_while_the_program_runs() -> None:
    project = EXAMPLES.parent
    if shutil.which("cargo") is None:
        compiled.cannot("compiling needs cargo")
    # The environment of maturin: without it cargo would compile PyO3 again for the extension.
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    environment = os.environ | {
        "PYO3_BUILD_EXTENSION_MODULE": "1",
        "PYO3_ENVIRONMENT_SIGNATURE": f"cpython-{version}-64bit",
        "PYO3_PYTHON": sys.executable,
        "PYTHON_SYS_EXECUTABLE": sys.executable,
    }
    command = ["cargo", "build", "--locked", "--quiet", "--package", "rewrite-in-rust"]
    subprocess.run(command, cwd=project, env=environment, check=True, timeout=100)
    module = next((project / "target" / "debug").glob("libfast_spelling.[sd]*"))
    outcome = run("rewrite_in_rust/main.py", str(module))
    assert outcome.returncode == 0, outcome.stderr
    lines = [re.split(r" {2,}", line) for line in outcome.stdout.splitlines()]
    assert [line[0] for line in lines] == [
        "in Python",
        "patched with Rust",
        "undone",
        "wrong answers",
    ]
    assert lines[-1][1] == "0"


def test_the_server_answers_otherwise_after_each_patch_and_undo() -> None:
    outcome = run("web_server.py")
    columns = [re.split(r" {2,}", line) for line in outcome.stdout.splitlines()]
    assert [row[:2] + row[3:] for row in columns if len(row) == 4][1:] == [
        ["nothing", "tea: 3.00", "0"],
        ["hotpatch(half_price, price_of)", "tea: 1.50", "0"],
        ["hotpatch(get_in_capitals, Handler.do_GET)", "TEA, TODAY ONLY 1.50", "0"],
        ["undo the first", "TEA, TODAY ONLY 3.00", "0"],
        ["undo the second", "tea: 3.00", "0"],
    ], outcome.stderr
    assert "connections: 4 opened, 0 lost" in outcome.stdout
    assert outcome.stdout.endswith(" answered, 0 failed\n")
    assert outcome.returncode == 0


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("web_server.hotpatch = unittest.mock.Mock()", id="answers stay as they are"),
        pytest.param(
            "web_server.shop.Handler.protocol_version = 'HTTP/1.0'", id="connections are closed"
        ),
        pytest.param("web_server.half_price = lambda path: 1 / 0", id="the patch breaks the page"),
    ],
)
def test_the_server_example_can_fail(damage: str) -> None:
    outcome = run(
        "-c", f"import sys, unittest.mock, web_server\n{damage}\nsys.exit(web_server.main())"
    )
    assert outcome.returncode == 1, outcome.stdout
