"""An HTTP proxy on loopback that opens tunnels (CONNECT), for whoever has its password. It resolves no names: every tunnel leads to
this machine, to the port that was asked for."""

import base64
import contextlib
import socket
import socketserver
import threading


class ConnectProxy:
    """A running proxy. `targets` are the hosts that were asked for, `refusals` how often it answered with 407."""

    def __init__(self, user: str, password: str):
        self.authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.targets: list[str] = []
        self.refusals = 0
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                proxy._serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # Tunnels that are still open do not keep a test from ending.
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (block := client.recv(4096)):
                return
            head += block
        request, *fields = head.decode().split("\r\n")
        method, target, _ = request.split(" ")
        assert method == "CONNECT", request
        shown = [line.partition(": ")[2] for line in fields if line.lower().startswith("proxy-authorization:")]
        if shown != [self.authorization]:
            self.refusals += 1
            # As some proxies do, it repeats what it was shown.
            body = head
            client.sendall(b"HTTP/1.1 407 No\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            return
        self.targets.append(target)
        with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as upstream:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
            back.start()
            _pump(client, upstream)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(1 << 16):
            sink.sendall(block)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
