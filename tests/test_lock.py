"""Locking: no further patch in a process, and undo as before."""

import os
import subprocess
import sys

import pytest
import script

PRELUDE = """
import math
from hotpatch import PatchError, hotpatch, lock, patches

def target():
    return "old"

def refused(target, **options):
    try:
        hotpatch(lambda *args: "new", target, **options)
    except PatchError as error:
        return str(error)
"""


def test_no_patch_is_made_after_a_lock() -> None:
    script.run(
        """
        patch = hotpatch(lambda: "new", target)
        assert lock() is None
        assert target() == "new"
        for name, options in [
            (target, {}), (math.sqrt, {}), (dict.get, {}),
            (target, {"how": "around"}), (target, {"scope": "thread"}),
        ]:
            message = refused(name, **options)
            assert message.startswith(f"cannot patch {name!r}: lock() was called at <string>:")
            assert message.endswith("; patch it before that, or in a process that is not locked")
        assert patches() == [patch]
        assert patch.original() == "old"
        lock()
        patch.undo()
        assert target() == "old"
        assert refused(target)
        """,
        PRELUDE,
    )


@pytest.mark.parametrize(
    ("value", "is_locked"), [("1", True), ("yes", True), ("0", False), ("", False)]
)
def test_the_environment_can_lock_from_the_start(value: str, is_locked: bool) -> None:
    text = PRELUDE + "print(refused(target))"
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "HOTPATCH_DISABLE": value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("HOTPATCH_DISABLE is set in the environment" in done.stdout) == is_locked
