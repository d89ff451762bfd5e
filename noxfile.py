"""The suite on every CPython that hotpatch supports. `scripts/pythons` gets the interpreters.

PATH="$(scripts/pythons):$PATH" nox                       # everything
PATH="$(scripts/pythons):$PATH" nox -s suite-python3.13   # one of them
"""

import os
from pathlib import Path

import nox

nox.options.error_on_missing_interpreters = True
nox.options.reuse_existing_virtualenvs = True

VERSIONS = ["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]
# Py_DEBUG checks with assertions what the others get away with.
DEBUG_VERSION = "3.15d"

# With HOTPATCH_SHORT in the environment: without what takes long and is about files and processes.
ABOUT_PROCESSES = [
    "benches",
    "ipython",
    "run",
    "run_loop",
    "run_programs",
    "run_saves",
    "watch",
    "watcher",
]
SHORT = [
    *(f"--ignore=tests/test_{name}.py" for name in ABOUT_PROCESSES),
    "-k",
    "not run-",  # the cases of live reload, a second time
]

# One more than the cores of a small machine: many tests wait for others.
PYTEST = ["python", "-m", "pytest", "--numprocesses", "3"]
# Not `-X dev`: the processes that pytest starts would not get it.
DEVELOPMENT_MODE = {"PYTHONDEVMODE": "1"}

PROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session) -> None:
    """Install the extension, built for the session's interpreter, and what the tests need."""
    session.install(*nox.project.dependency_groups(PROJECT, "test", "build"))
    # Without the option it would install the group "dev" as well, which tests do not need.
    session.run("maturin", "develop", "--locked", "--quiet", "--group", "test")


@nox.session(python=[f"python{version}" for version in [*VERSIONS, DEBUG_VERSION]])
def suite(session: nox.Session) -> None:
    """Run the Python tests, with what CPython can check while they run."""
    install(session)
    # A Py_DEBUG build checks what that mode would, and more; with both it takes much longer.
    is_debug = session.python == f"python{DEBUG_VERSION}"
    checks = {} if is_debug else DEVELOPMENT_MODE
    others = SHORT if "HOTPATCH_SHORT" in os.environ else []
    session.run(*PYTEST, *others, *session.posargs, env=checks)


@nox.session(python=[f"python{version}" for version in VERSIONS])
def torture(session: nox.Session) -> None:
    """Run CPython's own tests with the functions under test patched."""
    install(session)
    session.run("python", "-m", "torture", *(session.posargs or ["--short"]))


@nox.session(python=[f"python{version}" for version in VERSIONS], default=False)
def programs(session: nox.Session) -> None:
    """Run programs that were not written here with hooks on all of their functions."""
    install(session)
    session.install("--requirement", "programs/requirements.txt")
    session.run("python", "-m", "programs", *session.posargs)


@nox.session(python=[f"python{version}" for version in VERSIONS], default=False)
def replays(session: nox.Session) -> None:
    """Replay released versions of packages that were not written here with live reload."""
    install(session)
    session.install("--requirement", "replays/requirements.txt")
    session.run("python", "-m", "replays", *session.posargs)


@nox.session(python=[f"python{version}" for version in VERSIONS], default=False)
def servers(session: nox.Session) -> None:
    """Edit web servers that were not written here while they serve."""
    install(session)
    session.install("--requirement", "tests/live/requirements.txt")
    session.run("python", "-m", "pytest", "tests/test_run_servers.py", *session.posargs)


# Debian builds these with the compiler that makes machine code of traces, and leaves it off.
@nox.session(python=["python3.14", "python3.15"])
def jit(session: nox.Session) -> None:
    """Run the tests of call sites, and of what is written in C, with the compiler on."""
    install(session)
    names = ["builtins", "c_methods", "reentry_in_c", "specialisation", "wrappers"]
    found = sorted(path for name in names for path in Path("tests").glob(f"test_{name}*.py"))
    tests = map(str, found)
    session.run(*PYTEST, *tests, *session.posargs, env={"PYTHON_JIT": "1"})


# The last release before Cython 3 compiles nothing for CPython 3.13 and later.
@nox.session(python=["python3.10", "python3.11", "python3.12"], default=False)
def old_cython(session: nox.Session) -> None:
    """Run the tests of compiled extensions with Cython 0.29."""
    install(session)
    session.install("cython==0.29.37")
    tests = ["tests/test_compiled.py", *session.posargs]
    session.run("python", "-m", "pytest", *tests, env=DEVELOPMENT_MODE)


# Valgrind finds errors in CPython 3.11 before it runs any code of ours, and none in 3.13.
@nox.session(python="python3.13", default=False)
def valgrind(session: nox.Session) -> None:
    """Run the tests of calls in flight under valgrind."""
    install(session)
    tests = ["calls_in_flight", "calls_in_flight_binding", "stack"]
    session.run(
        *["valgrind", "--quiet", "--error-exitcode=1"],
        "--suppressions=scripts/valgrind.supp",
        *[f"{session.bin}/python", "-m", "pytest", "-o", "timeout=0"],
        *[f"tests/test_{name}.py" for name in tests],
        env={"PYTHONMALLOC": "malloc"},
        external=True,
    )
