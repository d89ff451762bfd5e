"""Gets the files of released versions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path


def wheel(distribution: str, version: str) -> Path:
    """Return the wheel of a version, and download it if it is not there."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("HOTPATCH_REPLAYS") or Path(caches, "hotpatch", "replays"))
    # Where they are, no two downloads are in the way of each other.
    folder = cache / f"{distribution}-{version}"
    if not [*folder.glob("*.whl")]:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--ignore-requires-python"]
        subprocess.run([*command, "--dest", folder, f"{distribution}=={version}"], check=True)
    (found,) = folder.glob("*.whl")
    return found


def put(distribution: str, version: str, folder: Path) -> None:
    """Make a folder what an installation of a version would make of it."""
    for path in folder.iterdir():
        shutil.rmtree(path)
    with zipfile.ZipFile(wheel(distribution, version)) as archive:
        archive.extractall(folder)
