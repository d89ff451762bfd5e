"""Each case of an edit, in a fresh process: see `run_reload_case.py`."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CASES = sorted(path.name for path in (TESTS / "reload_cases").iterdir())


@pytest.mark.parametrize("case", CASES)
def test_what_a_case_says_holds(case: str) -> None:
    command = [
        sys.executable,
        str(TESTS / "run_reload_case.py"),
        str(TESTS / "reload_cases" / case),
    ]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stderr) == (0, "")
