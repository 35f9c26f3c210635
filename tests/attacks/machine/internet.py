"""The internet of these tests: a server of files, with redirects, and a model, in a network namespace of its own."""

from __future__ import annotations

import http.server
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.attacks.machine.addresses import MODEL_PORT, PAGE, WEB, WEB6


class Files(http.server.SimpleHTTPRequestHandler):
    """Of a folder; `/to?url=…` is a redirect."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/to":
            self.send_response(302)
            self.send_header("Location", parse_qs(parts.query)["url"][0])
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """What was sent."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def server_bind(self) -> None:
        """Without looking its own name up, which nobody here knows: that took ten seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "here", int(self.server_address[1])


class Server6(Server):
    address_family = socket.AF_INET6


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(folder: Path) -> None:
    tell("waiting")
    sys.stdin.readline()
    web = folder / "web"
    web.mkdir(exist_ok=True)
    (web / "page").write_text(PAGE)
    files = partial(Files, directory=str(web))
    secured = Server((WEB, 443), files)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    secured.socket = context.wrap_socket(secured.socket, server_side=True)
    for server in (Server((WEB, 80), files), Server6((WEB6, 80), files), secured):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=greet, daemon=True).start()
    argv = (sys.executable, "-m", "fakes.models", "--port", "0")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as models:
        assert models.stdout is not None
        port = urlsplit(models.stdout.readline().strip()).port or 0
        threading.Thread(target=relay_all, args=(port,), daemon=True).start()
        tell("ready")
        sys.stdin.read()
        models.kill()


def greet() -> None:
    """As an ssh server begins."""
    with socket.create_server((WEB, 22)) as listening:
        while True:
            connection, _ = listening.accept()
            connection.sendall(b"SSH-2.0-stand-in\r\n")
            connection.close()


def relay_all(port: int) -> None:
    with socket.create_server((WEB, MODEL_PORT)) as listening:
        while True:
            near, _ = listening.accept()
            far = socket.create_connection(("127.0.0.1", port))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=copy, args=pair, daemon=True).start()


def copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
