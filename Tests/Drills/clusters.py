"""Copies of a PostgreSQL server: of its base backup, or as a standby that streams."""

import subprocess

import postgresql
from client import poll


class Copy(postgresql.PostgreSQL):
    """A server that is made of another one's base backup. With `follows`, it is a standby of that one."""

    def __init__(self, source: postgresql.PostgreSQL, follows: bool = False):
        self._source, self._follows = source, follows
        super().__init__()

    def _initialize(self) -> None:
        source = self._source
        words = [postgresql.program("pg_basebackup"), f"--host={source.directory}", f"--port={source.port}",
                 f"--username={postgresql.SUPERUSER}", f"--pgdata={self._data}", "--wal-method=stream", "--checkpoint=fast",
                 "--no-sync", *(["--write-recovery-conf"] if self._follows else [])]
        made = subprocess.run([*self._unprivileged_command(), *words], capture_output=True, text=True, cwd=self.directory,
                              stdin=subprocess.DEVNULL, timeout=120)
        assert made.returncode == 0, made.stdout + made.stderr
        # The last value of a setting counts.
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"port = {self.port}\nunix_socket_directories = '{self.directory}'\n")

    def confirm(self) -> None:
        """From now on, the source confirms no commit that this standby does not have."""
        with self._source.session("postgres") as session:
            session.query("ALTER SYSTEM SET synchronous_standby_names = '*'")
            session.query("SELECT pg_reload_conf()")
            poll("a synchronous standby",
                 lambda: session.query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"))

    def promote(self) -> None:
        """The standby is the server from now on."""
        with self.session("postgres") as session:
            session.query("SELECT pg_promote()")
