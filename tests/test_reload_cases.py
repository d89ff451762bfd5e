"""Each case of an edit, in a fresh process: see `run_reload_case.py`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SKIPPED = 77
CASES = sorted(path.name for path in (TESTS / "reload_cases").iterdir())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("is_saved", [False, True], ids=["reload", "run"])
def test_what_a_case_says_holds(case: str, is_saved: bool, tmp_path: Path) -> None:
    """Through `reload()`, and through a saved file under `hotpatch run`."""
    run = ["-m", "hotpatch", "run", "--watch", str(tmp_path)] if is_saved else []
    script = str(TESTS / "run_reload_case.py")
    outcome = subprocess.run(
        [sys.executable, *run, script, str(TESTS / "reload_cases" / case)],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode == SKIPPED:
        pytest.skip(outcome.stdout)
    assert (outcome.returncode, outcome.stderr) == (0, "")
