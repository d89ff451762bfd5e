"""Runs a script of asserts in a process of its own, for what cannot be undone in this one."""

import os
import subprocess
import sys
import textwrap


def run(script: str, prelude: str = "") -> str:
    """Run `script` behind `prelude`, return its output; fail unless it ends well and silently."""
    text = textwrap.dedent(prelude) + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "error", "-c", text],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout
