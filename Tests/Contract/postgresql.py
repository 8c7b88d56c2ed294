"""A real PostgreSQL server for tests: in a temporary directory, without the superuser of the system, on a free port of loopback."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import evidence
import servers
from client import poll
from postgresql_client import DatabaseError, Session, quoted

#: Where Debian puts what is not on the PATH.
DEBIAN = Path("/usr/lib/postgresql/15/bin")
#: The superuser, whom the server trusts on its Unix socket only.
SUPERUSER = "postgres"
#: A server that has crashed refuses calls until it has recovered.
RECOVERY = 60


def available() -> bool:
    """Whether the server is installed here."""
    return program("postgres") is not None and program("initdb") is not None


class PostgreSQL:
    """One server. It ends with the thread that started it, whatever happens to that.

    `settings` are those of `postgresql.conf`. Everybody signs in with a password over TCP (SCRAM).
    """

    def __init__(self, settings: dict[str, str] | None = None):
        # Not below the evidence: another user has to reach it, and the path of a Unix socket is short.
        self.directory = Path(tempfile.mkdtemp(prefix="export-gateway-postgresql-"))
        self.port = servers.free_port()
        self.log = evidence.directory("postgresql") / "postgresql.log"
        self._data = self.directory / "data"
        self._process: subprocess.Popen | None = None
        self._user = _unprivileged()
        self._settings = settings or {}
        if self._user:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        self._initialize()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _initialize(self) -> None:
        options = ["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "--no-locale", "--encoding=UTF8"]
        made = subprocess.run(
            [*self._unprivileged_command(), program("initdb"), *options, f"--username={SUPERUSER}", f"--pgdata={self._data}"],
            capture_output=True, text=True, cwd=self.directory, stdin=subprocess.DEVNULL,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        settings = {
            "listen_addresses": "'127.0.0.1'",
            "port": str(self.port),
            "unix_socket_directories": f"'{self.directory}'",
            "log_line_prefix": "'%m [%p] %u %a '",
            # Enough for several replicas and the test's own sessions.
            "max_connections": "200",
            # A connection that is stalled before it has signed in delays a shutdown for so long.
            "authentication_timeout": "5s",
        } | self._settings
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def start(self) -> None:
        """Starts the server; returns once it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._unprivileged_command("--pdeathsig", "QUIT"), program("postgres"), "-D", str(self._data)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
            )
        poll("PostgreSQL's readiness", self._is_ready, within=RECOVERY)

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, f"PostgreSQL ended: {self.log.read_text(errors='replace')[-4000:]}"
        try:
            with self.session("postgres", timeout=5):
                return True
        except (OSError, DatabaseError):
            return False

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self, mode: str = "fast") -> None:
        """Ends it: `fast` rolls back what is under way and shuts down, `immediate` leaves it to the next start to recover."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal({"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"PostgreSQL did not end within 60 s; see {self.log}") from None

    def kill(self) -> None:
        """`kill -9` of the server and of all processes that serve a connection."""
        if self._process is None or self._process.poll() is not None:
            return
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in [self.pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        # They hold the shared memory, without which no server starts, until they are gone.
        poll("the end of PostgreSQL's processes", lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in children))

    def restart(self, mode: str = "fast") -> None:
        """`mode` is one of `stop`, or `kill`."""
        self.kill() if mode == "kill" else self.stop(mode)
        self.start()

    def session(self, database: str, user: str = SUPERUSER, timeout: float = 60) -> Session:
        return Session(self.directory, self.port, user, database, timeout)

    def create_user(self, name: str) -> str:
        """A user who may sign in; gives back the password."""
        password = "password-" + secrets.token_hex(16)
        evidence.keep_secrets([password])
        with self.session("postgres") as session:
            session.query(f'CREATE ROLE "{name}" LOGIN PASSWORD {quoted(password)}')
        return password

    def create_database(self, name: str, owner: str) -> None:
        with self.session("postgres") as session:
            session.query(f'CREATE DATABASE "{name}" OWNER "{owner}"')

    def url(self, database: str, user: str, port: int | None = None) -> str:
        """The address, without the password; `port` where something stands in between."""
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def dump(self, database: str, file: Path) -> None:
        """Everything that the database holds, as text."""
        with file.open("wb") as output:
            command = [program("pg_dump"), f"--host={self.directory}", f"--port={self.port}", f"--username={SUPERUSER}", database]
            subprocess.run(command, stdout=output, check=True, timeout=120)

    def close(self) -> None:
        """Ends the server and removes its files. What the databases held stays as evidence."""
        try:
            if self._process is not None and self._process.poll() is None:
                with self.session("postgres") as session:
                    names = session.query("SELECT datname FROM pg_database WHERE datname <> 'postgres' AND NOT datistemplate")
                for (name,) in names:
                    self.dump(name, self.log.with_name(f"{name}.sql"))
                self.stop()
        finally:
            self.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    def _unprivileged_command(self, *options: str) -> list[str]:
        command = ["setpriv", *options]
        if self._user:
            command += [f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups"]
        return [*command, "--"] if len(command) > 1 else []


@contextlib.contextmanager
def postgresql(**settings: str):
    """A running server; `settings` are those of `postgresql.conf`."""
    server = PostgreSQL(settings)
    try:
        server.start()
        yield server
    finally:
        server.close()


def _unprivileged() -> pwd.struct_passwd | None:
    """Who runs the server where the tests run as root, which it refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("there is no user who could run PostgreSQL")


def program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=str(DEBIAN))
