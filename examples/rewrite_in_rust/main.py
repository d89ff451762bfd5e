"""Rewrites the hot function of a running program in Rust, and patches it in.

`make demo-rust` compiles lib.rs and runs this.
"""

import importlib.machinery
import importlib.util
import sys
import threading
import time
from typing import Any

import spelling
from hotpatch import hotpatch
from suggestions import closest, far_off

QUESTIONS = ["aple", "bananna", "chery", "grabe", "lemmon", "orangutan", "peech", "xylophone"]
answered = 0
wrong: list[str] = []


def serve(stop: threading.Event) -> None:
    """Answer questions until somebody says stop."""
    global answered
    expected = {word: (closest(word), far_off(word)) for word in QUESTIONS}
    while not stop.is_set():
        wrong.extend(word for word in QUESTIONS if (closest(word), far_off(word)) != expected[word])
        answered += len(QUESTIONS)


def answers_in_a_second() -> float:
    """Count what the other thread answers."""
    begin, before = time.perf_counter(), answered
    time.sleep(1)
    return (answered - before) / (time.perf_counter() - begin)


def load(path: str) -> Any:
    """Import the extension module that cargo has made."""
    loader = importlib.machinery.ExtensionFileLoader("fast_spelling", path)
    spec = importlib.util.spec_from_loader("fast_spelling", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def main() -> int:
    """Show how much the program answers, before, with and after the patch."""
    fast_spelling, stop = load(sys.argv[1]), threading.Event()
    server = threading.Thread(target=serve, args=[stop])
    server.start()
    python = answers_in_a_second()
    print(f"in Python              {python:9,.0f} answers a second")
    with hotpatch(fast_spelling.distance, spelling.distance):
        rust = answers_in_a_second()
        print(
            f"patched with Rust      {rust:9,.0f} answers a second, {rust / python:.0f} times more"
        )
    print(f"undone                 {answers_in_a_second():9,.0f} answers a second")
    stop.set()
    server.join()
    print(f"wrong answers          {len(wrong):9}")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
