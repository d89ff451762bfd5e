"""Web servers that were not written here, whose handlers are edited while requests come in."""

import http.client
import importlib.util
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from live_program import LONG, Live, version

CLIENTS, EDITS = 16, 10

FLASK = """\
import collections, threading
from flask import Flask, render_template

app = Flask(__name__)
hits = collections.Counter()
lock = threading.Lock()

@app.get("/<client>")
def index(client):
    with lock:
        hits.update([client])
    return render_template("page.json", mark=1, hits=hits[client])
"""
ASGI = """\
import asyncio, collections, json

hits = collections.Counter()

async def app(scope, receive, send):
    if scope["type"] == "http":
        await answer(scope["path"], send)

async def answer(path, send):
    hits.update([path])
    count, start = hits[path], 1
    await asyncio.sleep(0.005)
    body = json.dumps([count, start if start == 1 else None]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""
STARLETTE = """\
import collections
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

hits = collections.Counter()

async def index(request):
    client = request.path_params["client"]
    hits.update([client])
    return JSONResponse([hits[client], 1])

app = Starlette(routes=[Route("/{client}", index)])
"""
FASTAPI = """\
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
async def index(n: int = 1):
    return [n, 1]
"""
GUNICORN = """\
import json, os

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([os.getpid(), mark()]).encode()]

def mark():
    return 1
"""


def needs(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as it:
        port: int = it.getsockname()[1]
        return port


def get(port: int, path: str) -> Any:
    """Return what a server answers, or the status if that is not 200."""
    connection = http.client.HTTPConnection("localhost", port, timeout=LONG)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        return json.loads(body) if response.status == 200 else response.status
    finally:
        connection.close()


@contextmanager
def serving(folder: Path, text: str, *arguments: str) -> Iterator[tuple[Live, int]]:
    """Start a server for `app.py`, and wait until it answers."""
    port = free_port()
    command = [it.format(port=port) for it in arguments]
    (folder / "program/templates").mkdir(parents=True)
    (folder / "program/templates/page.json").write_text("[{{ hits }}, {{ mark }}]")
    with Live(folder, command, {"app.py": text}) as program:

        def answers() -> bool:
            with socket.socket() as it:
                return it.connect_ex(("localhost", port)) == 0

        program.wait_for(answers)
        yield program, port


FLASK_RUN = ["-m", "flask", "--app", "app", "run", "--port", "{port}"]
UVICORN_RUN = ["-m", "uvicorn", "app:app", "--port", "{port}", "--log-level", "warning"]


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param(FLASK, FLASK_RUN, marks=needs("flask"), id="flask"),
        pytest.param(ASGI, UVICORN_RUN, marks=needs("uvicorn"), id="asgi"),
        pytest.param(STARLETTE, UVICORN_RUN, marks=needs("uvicorn", "starlette"), id="starlette"),
    ],
)
def test_handlers_change_while_requests_come_in(
    text: str, command: list[str], tmp_path: Path
) -> None:
    """Each request is answered, counted once, and by the code it began with."""
    is_done = threading.Event()
    answers: list[list[Any]] = [[] for _ in range(CLIENTS)]

    def ask(port: int, client: int) -> None:
        while not is_done.is_set():
            answers[client].append(get(port, f"/{client}"))

    with (
        serving(tmp_path, text, *command) as (program, port),
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        try:
            clients = [pool.submit(ask, port, client) for client in range(CLIENTS)]
            for number in range(1, EDITS + 2):
                program.save("app.py", version(text, number))
                while not all(its and its[-1][1] == number for its in [*answers]):
                    assert not any(it.done() for it in clients), clients
                    time.sleep(0.005)
        finally:
            is_done.set()
        for it in clients:
            it.result()
        reported = program.reported()
    for its in answers:
        assert [count for count, _ in its] == [*range(1, len(its) + 1)]
        marks = [mark for _, mark in its]
        assert marks == sorted(marks)
        assert {*marks} == {*range(1, EDITS + 2)}
    assert "failed" not in reported
    assert "deleted" not in reported


@needs("uvicorn", "starlette")
def test_a_route_can_be_added(tmp_path: Path) -> None:
    with serving(tmp_path, STARLETTE, *UVICORN_RUN) as (program, port):
        assert get(port, "/1") == [1, 1]
        assert get(port, "/new/1") == 404
        program.save("app.py", f'{STARLETTE}\napp.add_route("/new/{{client}}", index)\n')
        program.wait_for(lambda: get(port, "/new/1") == [2, 1])


@needs("uvicorn", "fastapi")
def test_fastapi_takes_a_route_and_keeps_what_it_has_read(tmp_path: Path) -> None:
    with serving(tmp_path, FASTAPI, *UVICORN_RUN) as (program, port):
        assert get(port, "/new") == 404
        route = '\n@app.get("/new")\nasync def new():\n    return 1\n'
        program.save("app.py", version(FASTAPI, 2) + version(route, 2))
        program.wait_for(lambda: get(port, "/new") == 2)
        assert get(port, "/") == [1, 2]


@needs("flask")
def test_flask_refuses_a_route_after_the_first_request(tmp_path: Path) -> None:
    """It says so, nothing changes, and without the route the next save counts."""
    with serving(tmp_path, FLASK, *FLASK_RUN) as (program, port):
        assert get(port, "/1") == [1, 1]
        text = version(FLASK, 2)
        program.save("app.py", f'{text}\n@app.get("/new/1")\ndef new():\n    return "[]"\n')
        program.wait_for(lambda: "can no longer be called" in program.reported())
        assert get(port, "/1") == [2, 1]
        assert get(port, "/new/1") == 404
        program.save("app.py", text)
        program.wait_for(lambda: get(port, "/1")[1] == 2)


@pytest.mark.parametrize("option", ["--preload", "--no-sendfile"])
@needs("gunicorn")
def test_workers_that_gunicorn_forks_change_too(option: str, tmp_path: Path) -> None:
    command = ["-m", "gunicorn", "app:app", "-b", "localhost:{port}", "--workers", "2"]
    arguments = [*command, "--no-control-socket", option]
    with serving(tmp_path, GUNICORN, *arguments) as (program, port):

        def seen(number: int) -> bool:
            """Return whether both workers answer this."""
            answers = [get(port, "/") for _ in range(30)]
            return len({worker for worker, _ in answers}) == 2 and all(
                mark == number for _, mark in answers
            )

        program.wait_for(seen, 1)
        program.save("app.py", version(GUNICORN, 2))
        program.wait_for(seen, 2)
