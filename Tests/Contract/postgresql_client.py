"""A client of PostgreSQL in a page, on the standard library: simple queries in text form, as the server's own superuser.

https://www.postgresql.org/docs/15/protocol-flow.html and https://www.postgresql.org/docs/15/protocol-message-formats.html say
what is sent. It signs in through the Unix socket only, where the test's server trusts everybody.
"""

import socket
import struct
from pathlib import Path


class DatabaseError(Exception):
    """What the server refused: its message, and its five characters of SQLSTATE."""

    def __init__(self, fields: dict[str, str]):
        super().__init__(f"{fields.get('C')}: {fields.get('M')}")
        self.state = fields.get("C", "")


class Session:
    """One connection. Raises `OSError` where it is lost, and `DatabaseError` for what the server refuses.

    For one thread at a time. Values are texts, or None for NULL.
    """

    def __init__(self, directory: Path, port: int, user: str, database: str, timeout: float = 60):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self.notifications: list[tuple[str, str]] = []
        self._received = b""
        try:
            self._socket.connect(str(directory / f".s.PGSQL.{port}"))
            parameters = f"user\0{user}\0database\0{database}\0application_name\0tests\0\0".encode()
            self._socket.sendall(struct.pack("!II", len(parameters) + 8, 196_608) + parameters)
            self._until_ready()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self._socket.close()

    def query(self, sql: str) -> list[tuple]:
        """The rows of the last statement in `sql`."""
        text = sql.encode() + b"\0"
        self._socket.sendall(b"Q" + struct.pack("!I", len(text) + 4) + text)
        return self._until_ready()

    def value(self, sql: str):
        """The first column of the only row."""
        (row,) = self.query(sql)
        return row[0]

    def _until_ready(self) -> list[tuple]:
        rows, failure = [], None
        while True:
            kind, body = self._message()
            if kind == b"Z":
                break
            if kind == b"T":
                rows = []
            elif kind == b"D":
                rows.append(_row(body))
            elif kind == b"E":
                failure = failure or DatabaseError(_fields(body))
                # The server ends the connection with such an error.
                if failure.state.startswith("57P") or failure.state in ("28000", "3D000", "53300"):
                    raise ConnectionResetError(str(failure))
            elif kind == b"A":
                channel, payload, _ = body[4:].split(b"\0")
                self.notifications.append((channel.decode(), payload.decode()))
            elif kind == b"R" and body[:4] != b"\0\0\0\0":
                raise DatabaseError({"C": "28000", "M": "the server wants a password"})
        if failure:
            raise failure
        return rows

    def _message(self) -> tuple[bytes, bytes]:
        kind = self._exactly(1)
        return kind, self._exactly(struct.unpack("!I", self._exactly(4))[0] - 4)

    def _exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            block = self._socket.recv(1 << 16)
            if not block:
                raise ConnectionResetError("the server ended the connection")
            self._received += block
        taken, self._received = self._received[:count], self._received[count:]
        return taken


def quoted(text: str) -> str:
    """A literal, where standard_conforming_strings is on, which is the default."""
    return "'" + text.replace("'", "''") + "'"


def _row(body: bytes) -> tuple:
    (count,), place, values = struct.unpack_from("!H", body), 2, []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, place)
        place += 4
        values.append(None if length < 0 else body[place : place + length].decode())
        place += max(length, 0)
    return tuple(values)


def _fields(body: bytes) -> dict[str, str]:
    return {chr(part[0]): part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
