"""`hotpatch run --loop`: a function is called again after each save."""

import re
import signal
from pathlib import Path

import pytest
from running import HOTPATCH, Running, write

AGAIN = "hotpatch: it is called again after a save; Ctrl-C goes on"


def told(program: Running) -> str:
    """Return what is said of a call."""
    line = program.report()
    while not re.search(r"(returned|failed) ", line):
        line = program.report()
    return re.sub(r"[\d.]+ ms", "T", line)


STEP = """\
def step(n):
    return n * 2
"""
MAIN = f"""\
{STEP}

if __name__ == "__main__":
    print("it was", step(3), flush=True)
"""
CALLS_HELPER = """\
import asyncio, helper

result = helper.step(3)
print("it was", result if isinstance(result, int) else asyncio.run(result), flush=True)
"""


@pytest.mark.parametrize("kind", ["main", "__main__", "helper", "async", "-m"])
def test_a_function_is_called_again_after_each_save(
    kind: str, starts: type[Running], tmp_path: Path
) -> None:
    is_helper = kind in ("helper", "async")
    text = {"main.py": CALLS_HELPER if is_helper else MAIN}
    if kind == "-m":
        text = {"main.py": "from helper import step\nprint('it was', step(3), flush=True)\n"}
        is_helper = True
    if is_helper:
        text["helper.py"] = STEP if kind != "async" else f"async {STEP}"
    for name, it in text.items():
        write(tmp_path, name, it)
    edited = "helper.py" if is_helper else "main.py"
    function = f"{'helper' if is_helper else kind}:step"
    target = ["-m", "main"] if kind == "-m" else ["main.py"]
    program = starts([*HOTPATCH, "--loop", function, *target], tmp_path)
    assert told(program) == f"hotpatch: {function} returned 6 in T"
    assert program.report() == AGAIN
    write(tmp_path, edited, text[edited].replace("n * 2", "n * 100"))
    assert told(program) == f"hotpatch: {function} returned 300 in T"
    assert program.report() == AGAIN
    write(tmp_path, edited, text[edited].replace("n * 2", "n / 0"))
    assert told(program) == f"hotpatch: {function} failed in T"
    assert program.report() == "Traceback (most recent call last):"
    first = program.report()
    assert first.startswith(f'  File "{tmp_path / edited}", line 2, in step')
    while (line := program.report()) != AGAIN:
        last = line
    assert last == "ZeroDivisionError: division by zero"
    # A save that cannot be applied calls nothing.
    write(tmp_path, edited, text[edited].replace("n * 2", "n *"))
    write(tmp_path, edited, text[edited].replace("n * 2", "n * 7"))
    assert told(program) == f"hotpatch: {function} returned 21 in T"
    assert program.report() == AGAIN
    program.process.send_signal(signal.SIGINT)
    assert program.process.stdout is not None
    assert program.process.stdout.readline() == "it was 21\n"
    assert program.end() == (0, "")


def test_tests_run_again_after_each_save(starts: type[Running], tmp_path: Path) -> None:
    """With pytest, whose own loader would hide the modules of the tests."""
    main = "import pytest, sys\ndef tests(): return pytest.main(sys.argv[1:])\ntests()\n"
    tests = "from prices import price\n\ndef test_price():\n    assert price(2) == 4\n"
    write(tmp_path, "retest.py", main)
    write(tmp_path, "prices.py", "def price(net):\n    return net\n")
    write(tmp_path, "test_prices.py", tests)
    options = ["--assert=plain", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    program = starts([*HOTPATCH, "--loop", "retest:tests", "retest.py", *options], tmp_path)
    assert "<ExitCode.TESTS_FAILED: 1>" in told(program)
    write(tmp_path, "prices.py", "def price(net):\n    return net * 2\n")
    assert "<ExitCode.OK: 0>" in told(program)
    # A test that is new is found too.
    write(tmp_path, "test_prices.py", f"{tests}\ndef test_more():\n    assert price(3) == 7\n")
    assert "<ExitCode.TESTS_FAILED: 1>" in told(program)
    write(tmp_path, "prices.py", "def price(net):\n    return net * 2 + net // 3\n")
    assert "<ExitCode.OK: 0>" in told(program)
    assert program.report() == AGAIN
    program.process.send_signal(signal.SIGINT)
    assert program.process.wait() == 0


def test_an_exception_that_is_left_is_raised(starts: type[Running], tmp_path: Path) -> None:
    write(tmp_path, "main.py", MAIN.replace("n * 2", "n / 0"))
    program = starts([*HOTPATCH, "--loop", "main:step", "main.py"], tmp_path)
    while program.report() != AGAIN:
        pass
    program.process.send_signal(signal.SIGINT)
    code, errors = program.end()
    assert code == 1
    assert errors.endswith("ZeroDivisionError: division by zero\n")


def test_a_function_that_calls_itself_is_one_call(starts: type[Running], tmp_path: Path) -> None:
    text = "def step(n):\n    return n and n + step(n - 1)\n\nprint(step(3), flush=True)\n"
    write(tmp_path, "main.py", text)
    program = starts([*HOTPATCH, "--loop", "main:step", "main.py"], tmp_path)
    assert told(program) == "hotpatch: main:step returned 6 in T"
    assert program.report() == AGAIN
    program.process.send_signal(signal.SIGINT)
    assert program.process.stdout is not None
    assert program.process.stdout.readline() == "6\n"
    assert program.end() == (0, "")


def test_a_function_that_is_not_there_is_refused(starts: type[Running], tmp_path: Path) -> None:
    write(tmp_path, "main.py", MAIN)
    program = starts([*HOTPATCH, "--loop", "main:other", "main.py"], tmp_path)
    message = f"hotpatch: {tmp_path}/main.py defines no function other outside of others\n"
    assert program.end() == (1, message)
