"""requests: sessions, redirects, cookies, authentication, streams, uploads, retries, hooks."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth, HTTPProxyAuth
from urllib3.util.retry import Retry

CHALLENGE = 'Digest realm="r", nonce="n", qop="auth", opaque="o", algorithm=MD5'


class Handler(http.server.BaseHTTPRequestHandler):
    """A server that does what the path says."""

    protocol_version = "HTTP/1.1"
    failures = 0

    def log_message(self, *arguments: Any) -> None:
        pass

    def answer(self, status: int, text: str = "", *headers: tuple[str, str]) -> None:
        data = text.encode()
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_any(self) -> None:
        body, (path, _, query) = self.body(), self.path.partition("?")
        name, _, value = path.strip("/").partition("/")
        if name == "redirect":
            target = f"/redirect/{int(value) - 1}" if value != "0" else "/echo"
            self.answer(302, "", ("Location", target), ("Set-Cookie", f"hop{value}=1; Path=/"))
        elif name == "status":
            headers = [("Location", "/echo")] if value.startswith("3") else []
            self.answer(int(value), "" if value == "204" else "said", *headers)
        elif name == "digest":
            sent = self.headers.get("Authorization", "")
            if sent.startswith("Digest"):
                self.answer(200, re.sub(r'(cnonce|response)="\w+"', r"\1", sent))
            else:
                self.answer(401, "", ("WWW-Authenticate", CHALLENGE))
        elif name == "flaky":
            Handler.failures += 1
            self.answer(503 if Handler.failures % 3 else 200, "flaky")
        elif name == "lines":
            self.answer(
                200, "".join(f"line {n}\n" for n in range(5)), ("Link", "</next>; rel=next")
            )
        elif name == "latin":
            self.answer(200, "caf\u00e9", ("Content-Type", f"text/html; charset={value}"))
        elif name == "slow":
            DONE.wait(10)
            self.close_connection = True  # nobody waits for an answer
        else:
            got = {k: v for k, v in self.headers.items() if k not in ("Host", "User-Agent")}
            text = body.decode("latin-1")
            if boundary := re.search("boundary=(.*)", got.get("Content-Type", "")):
                text = text.replace(boundary[1], "BOUNDARY")
                got["Content-Type"] = "multipart"
            said = {"how": self.command, "path": path, "query": query, "sent": got, "body": text}
            self.answer(200, json.dumps(said), ("Set-Cookie", "seen=1"))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any  # noqa: N815


DONE = threading.Event()


@contextlib.contextmanager
def served() -> Iterator[tuple[str, requests.Session]]:
    """Start a server, and make a session that does not look at the environment."""
    DONE.clear()
    Handler.failures = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Accept-Encoding"] = "identity"
            try:
                yield f"http://127.0.0.1:{server.server_port}", session
            finally:
                DONE.set()
                server.shutdown()
                thread.join()


def attempt(call: Callable[[], object], url: str) -> str:
    """Call, and leave out what differs from time to time: the port, and addresses of objects."""
    try:
        text = str(call())
    except (requests.RequestException, KeyError, ValueError, TypeError) as error:
        text = f"{type(error).__name__}: {error}"
    text = text.replace(url.rpartition(":")[2], "PORT")
    return re.sub(r"0x[0-9a-f]+", "0x", text)


def show_methods() -> str:
    lines = []
    with served() as (url, session):
        for how in ("get", "post", "put", "patch", "delete", "options", "head"):
            response = getattr(session, how)(f"{url}/echo?a=1", params={"b": [1, 2], "c": None})
            lines.append(f"{response} {response.text}")
        sent: list[dict[str, Any]] = [
            {"data": {"a": "1", "b": ["2", "3"]}},
            {"data": "text"},
            {"data": [("x", "y")]},
            {"json": {"a": [None, 1.5]}},
            {"data": iter([b"one", b"two"])},
            {"data": io.BytesIO(b"a file"), "headers": {"X-One": "1", "Accept": None}},
            {"files": {"f": ("n.txt", io.StringIO("text"), "text/plain", {"X": "1"}), "g": "h"}},
            {"files": [("f", b"data")], "data": {"k": "v"}},
        ]
        for options in sent:
            lines.append(session.post(f"{url}/echo", **options).text)
    return "\n".join(lines)


def show_redirects() -> str:
    lines = []
    with served() as (url, session):
        response = session.get(f"{url}/redirect/3")
        lines.append(f"{[it.status_code for it in response.history]} {response.json()}")
        lines.append(repr(sorted(session.cookies.get_dict().items())))
        first = session.get(f"{url}/redirect/1", allow_redirects=False)
        lines.append(f"{first.is_redirect} {attempt(lambda: first.next and first.next.url, url)}")
        for status in (301, 303, 307):
            lines.append(session.post(f"{url}/status/{status}", data="x").text)
        session.max_redirects = 2
        lines.append(attempt(lambda: session.get(f"{url}/redirect/5"), url))
    return "\n".join(lines)


def show_cookies() -> str:
    lines = []
    with served() as (url, session):
        session.cookies.set("mine", "1", path="/echo")
        session.cookies.update({"other": "2"})
        lines.append(session.get(f"{url}/echo", cookies={"once": "3"}).text)
        lines.append(session.get(f"{url}/echo").text)
        jar = session.cookies.copy()
        lines += [repr(sorted(jar.items())), repr(jar.list_paths()), repr(jar.multiple_domains())]
        restored = pickle.loads(pickle.dumps(session))
        lines.append(repr(sorted(restored.cookies.keys())))
        made = requests.cookies.create_cookie("n", "v", domain="x.org", secure=True)
        jar.set_cookie(made)
        lines += [repr(jar.get("n", domain="x.org")), attempt(lambda: jar["nothing"], url)]
    return "\n".join(lines)


class Token(AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Token"] = "t"
        return request


def show_authentication() -> str:
    lines = []
    with served() as (url, session):
        for auth in [("me", "secret"), HTTPBasicAuth("a", "b"), HTTPProxyAuth("a", "b"), Token()]:
            lines.append(session.get(f"{url}/echo", auth=auth).text)
        digest = HTTPDigestAuth("me", "secret")
        lines += [session.get(f"{url}/digest", auth=digest).text for _ in range(2)]
        lines.append(session.get(url.replace("//", "//user:word@") + "/echo").text)
        lines.append(str(HTTPBasicAuth("a", "b") == HTTPBasicAuth("a", "c")))
    return "\n".join(lines)


def show_streams() -> str:
    lines = []
    with served() as (url, session):
        with session.get(f"{url}/lines", stream=True) as response:
            lines += [repr(list(response.iter_lines(chunk_size=4, decode_unicode=True)))]
            lines += [repr(response.links), repr(response.raw.closed)]
        response = session.get(f"{url}/lines", stream=True)
        lines += [repr(next(response.iter_content(6))), repr(response.raw.read(3))]
        lines += [attempt(lambda: response.content, url)]
        response.close()
        for charset in ("utf-8", "latin-1", "nonsense"):
            answer = session.get(f"{url}/latin/{charset}")
            lines.append(f"{answer.encoding} {answer.apparent_encoding} {answer.text!r}")
        lines.append(attempt(lambda: session.get(f"{url}/lines").json(), url))
    return "\n".join(lines)


def show_errors() -> str:
    lines = []
    with served() as (url, session):
        for status in (200, 204, 404, 418, 500):
            response = session.get(f"{url}/status/{status}")
            lines.append(f"{response.ok} {attempt(response.raise_for_status, url)}")
        for bad in ["", "nothing://x", "http://", "http://*.x", "http://[::1", "http://a:b/"]:
            lines.append(attempt(lambda: session.get(bad), url))  # noqa: B023
        lines.append(attempt(lambda: session.get(f"{url}/slow", timeout=(1, 0.05)), url))
        lines.append(attempt(lambda: session.get(url, headers={"a": "b\n"}), url))
        lines.append(attempt(lambda: session.get(url, timeout="never"), url))
        lines.append(attempt(lambda: session.get("http://127.0.0.1:1/"), url).partition("(")[0])
    return "\n".join(lines)


def show_adapters() -> str:
    lines = []
    with served() as (url, session):
        retry = Retry(total=4, status_forcelist=[503], backoff_factor=0)
        session.mount(url, HTTPAdapter(max_retries=retry, pool_maxsize=2))
        lines.append(session.get(f"{url}/flaky").text)
        session.mount(f"{url}/flaky", HTTPAdapter(max_retries=Retry(1, status_forcelist=[503])))
        lines.append(attempt(lambda: session.get(f"{url}/flaky"), url))
        lines.append(attempt(lambda: list(session.adapters), url))
        session.proxies = {"http": url}
        lines.append(session.get("http://far.example/away").text)
    return "\n".join(lines)


def show_hooks() -> str:
    lines: list[str] = []
    with served() as (url, session):
        session.hooks["response"].append(lambda r, **kwargs: lines.append(f"{sorted(kwargs)}"))
        session.get(f"{url}/redirect/0", hooks={"response": [lambda r, **_: lines.append(r.text)]})
        request = requests.Request("POST", f"{url}/echo", json={}, params="q", hooks={})
        prepared = session.prepare_request(request)
        prepared.headers["x-extra"] = "1"
        lines += [f"{request} {prepared} {prepared.path_url}", session.send(prepared).text]
        lines.append(repr(requests.structures.CaseInsensitiveDict(A=1) == {"a": 1}))
        lines.append(str(requests.codes.teapot))
        lines.append(requests.get(f"{url}/echo", headers={"Accept-Encoding": "x"}).text)
    return "\n".join(lines)
