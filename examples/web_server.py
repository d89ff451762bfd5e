"""Patch a web server while it is serving, and take the patches back.

Four clients ask for pages all the time, each on one connection that stays open. Meanwhile the main
thread changes a method of the request handler, and a helper that the handler's module has imported
by name. The exit status is 1 if a request failed, a connection was lost or an answer was wrong.
"""

import sys
import threading
from collections import Counter
from http.client import HTTPConnection

from hotpatch import hotpatch
from web_app import prices, shop

CLIENTS = 4
ENOUGH = 1_000  # answers after each change, from all clients together
DEADLINE = 60.0  # seconds; only a server that hangs gets there


def half_price(path: str) -> str:
    """Do what `price_of` shall do. Names are looked up here, not in the module of `price_of`."""
    return f"{prices.PRICES[path] / 2:.2f}"


def get_in_capitals(self: shop.Handler) -> None:
    """Do what `Handler.do_GET` shall do."""
    self.answer(f"{self.path[1:].upper()}, TODAY ONLY {prices.price_of(self.path)}")


Answers = Counter[tuple[int, str]]  # by client and text


def is_enough(answers: Answers) -> bool:
    return answers.total() >= ENOUGH and len({client for client, _ in answers}) == CLIENTS


class Clients:
    """Threads that ask for a page again and again, each on a connection of its own."""

    def __init__(self, port: int) -> None:
        self.failures: list[str] = []
        self._port = port
        self._answers: list[Answers] = [Counter()]  # since each change
        self._is_stopped = False
        self._news = threading.Condition()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def answers_from_now_on(self) -> Answers:
        """Wait until every client has had answers to requests that it sent after this call."""
        with self._news:
            answers: Answers = Counter()
            self._answers.append(answers)
            self._news.wait_for(lambda: self.failures or is_enough(answers), DEADLINE)
            return answers.copy()

    def stop(self) -> int:
        """Let each client finish its last request, and say how many were answered in all."""
        self._is_stopped = True
        for thread in self._threads:
            thread.join(DEADLINE)
        return sum(answers.total() for answers in self._answers)

    def _ask(self, client: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        try:
            connection.connect()
            connection.auto_open = 0  # a lost connection is a failure, and not opened again
            while not self._is_stopped:
                self._ask_once(client, connection)
        except Exception as error:
            with self._news:
                self.failures.append(repr(error))
                self._news.notify_all()
        finally:
            connection.close()

    def _ask_once(self, client: int, connection: HTTPConnection) -> None:
        answers = self._answers[-1]
        connection.request("GET", "/tea")
        response = connection.getresponse()
        text = response.read().decode()
        if response.status != 200:
            raise ConnectionError(f"status {response.status}")
        with self._news:
            answers[client, text] += 1
            if is_enough(answers):
                self._news.notify_all()


def shows(change: str, clients: Clients, expected: str) -> bool:
    """Print what the clients are told now, and say whether it is what is expected."""
    answers = clients.answers_from_now_on()
    told = " / ".join(sorted({text for _, text in answers}))
    failed = len(clients.failures)
    print(f"{change:<44}{told:<24}{answers.total():>8,}{failed:>8}", flush=True)
    return told == expected and is_enough(answers)


def main() -> int:
    server = shop.Server(("127.0.0.1", 0), shop.Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"{CLIENTS} clients ask for /tea all the time, each on one connection that stays open.")
    print("The server got its helper by `from web_app.prices import price_of` when it started.\n")
    print(f"{'what is done meanwhile':<44}{'what they are told':<24}answered  failed")
    clients = Clients(server.server_port)

    is_right = shows("nothing", clients, "tea: 3.00")
    cheaper = hotpatch(half_price, prices.price_of)
    is_right &= shows("hotpatch(half_price, price_of)", clients, "tea: 1.50")
    louder = hotpatch(get_in_capitals, shop.Handler.do_GET)
    is_right &= shows("hotpatch(get_in_capitals, Handler.do_GET)", clients, "TEA, TODAY ONLY 1.50")
    cheaper.undo()
    is_right &= shows("undo the first", clients, "TEA, TODAY ONLY 3.00")
    louder.undo()
    is_right &= shows("undo the second", clients, "tea: 3.00")

    opened, closed = server.opened, server.closed
    answered = clients.stop()
    print(f"\nconnections: {opened} opened, {closed} lost")
    print(f"requests: {answered:,} answered, {len(clients.failures)} failed", *clients.failures)
    server.shutdown()
    server.server_close()
    is_complete = opened == CLIENTS and closed == 0 and not clients.failures
    return 0 if is_right and is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
