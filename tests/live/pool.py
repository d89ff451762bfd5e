"""Threads that work on what is put into queues. Tests save this with another number for 1."""

import itertools
import json
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

IS_ON = True
# The numbers of tasks are far larger than those of saves.
FIRST = 10_000


class Worker:
    def work(self, number: int) -> int:
        return number * 1 + 1


def scale(number: int, *, more: int = 1) -> int:
    return number * 1 + more


def note(kind: str, number: int, future: Future[int]) -> None:
    say(kind, number, future.result(), 1)


def say(kind: str, number: int, result: int, by: int) -> None:
    with lock:
        totals[kind] = totals.get(kind, 0) + result
        print(json.dumps([kind, number, result, by]))
    seats.release()


def serve() -> None:
    while (number := waiting.get()) is not None:
        take(number)


def take(number: int) -> None:
    say("queue", number, callbacks["work"](number), 1)


totals: dict[str, int] = {}
lock = threading.Lock()
seats = threading.Semaphore(50)
waiting = queue.Queue[int | None]()
worker = Worker()
# Those who run hold them since the program began.
callbacks: dict[str, Callable[[int], int]] = {"work": worker.work, "scale": partial(scale)}


def main() -> None:
    numbers = itertools.count(FIRST)
    servers = [threading.Thread(target=serve) for _ in range(4)]
    for it in servers:
        it.start()
    with ThreadPoolExecutor(4) as pool:
        while IS_ON:
            for kind, function in callbacks.items():
                seats.acquire()
                number = next(numbers)
                pool.submit(function, number).add_done_callback(partial(note, kind, number))
            seats.acquire()
            waiting.put(next(numbers))
    for _ in servers:
        waiting.put(None)
    for it in servers:
        it.join()
    print(json.dumps([next(numbers) - FIRST, totals]))


if __name__ == "__main__":
    main()
