"""Extension modules of the tests' own, compiled when a test needs them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

SOURCES = Path(__file__).parent


def cannot(reason: str) -> NoReturn:
    """Skip the test: not everybody has a compiler. Where everything must run, fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def compile_module(name: str, folder: Path) -> ModuleType:
    """Compile the extension module `name` into a folder, and import it."""
    source = next(SOURCES.glob(f"{name}.*"))
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        cannot(f"compiling needs the headers of Python, and there is no {headers / 'Python.h'}")
    # Debian's pyconfig.h includes another by its path from the folder above.
    folders = [headers, headers.parent]
    if source.suffix == ".pyx":
        made = folder / f"{name}.c"
        run(sys.executable, "-m", "cython", "-3", str(source), "-o", str(made))
        source = made
    else:
        import pybind11

        folders.append(Path(pybind11.get_include()))
    compiler = "cc" if source.suffix == ".c" else "c++"
    if shutil.which(compiler) is None:
        cannot(f"compiling needs a compiler, and there is no {compiler}")
    module = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    includes = [f"-I{folder}" for folder in folders]
    options = ["-shared", "-fPIC", "-O1", "-w", *includes]
    run(compiler, *options, str(source), "-o", str(module))
    spec = importlib.util.spec_from_file_location(name, module)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded  # for pickling by name
    spec.loader.exec_module(loaded)
    return loaded


def run(*command: str) -> None:
    """Run a command that says nothing unless it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
