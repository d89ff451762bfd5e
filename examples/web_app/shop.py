"""The web server of the shop. It knows nothing of hotpatch."""

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# A name of its own for the function: assigning to `prices.price_of` would change nothing here.
from web_app.prices import price_of


class Handler(BaseHTTPRequestHandler):
    """Answers on connections that stay open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.answer(f"{self.path[1:]}: {price_of(self.path)}")

    def answer(self, text: str) -> None:
        """Send a page that holds `text`."""
        page = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Counts the connections that were opened and those that were closed."""

    opened = 0
    closed = 0

    def get_request(self) -> tuple[socket.socket, Any]:
        self.opened += 1
        return super().get_request()

    def shutdown_request(self, request: Any) -> None:
        self.closed += 1
        super().shutdown_request(request)
