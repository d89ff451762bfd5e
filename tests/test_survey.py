"""Each C function of the standard library is refused, or every call of it reaches its patch."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def survey(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-X", "faulthandler", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_patch_is_reached_and_undone(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    done = survey("-m", "survey", "--json", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["bypassed"] == found["not_undone"] == []
    assert sum(found["reached"].values()) > 2000
    assert len(found["not_called"]) < 500
    slots = [why for _, why in found["refused"].values() if "slot" in why]
    assert len(found["refused"]) - len(slots) < 20
    report = survey("-m", "survey.report", str(file))
    assert "| builtin function: every call reached the patch | " in report.stdout
