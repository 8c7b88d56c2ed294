"""The drills. Each loses a ledger or its server, and goes on as the article `Backup-and-Restore, Restore` says."""

import subprocess
from contextlib import ExitStack, contextmanager

import bodies
import postgresql
import restored
import servers
from client import poll
from clusters import Copy
from replicas import Database, database, replicas

#: So that a replica that died is noticed soon.
QUICK = {"leaseDuration": "3s"}


def file(check) -> None:
    """SQLite: `ledger backup`, a lost disk, the backup in its place."""
    with servers.sandbox() as upstream, servers.gateway(upstream, start=False) as gateway:
        restored.may_decide(gateway)
        gateway.start()
        story = restored.before_the_backup(gateway, upstream)
        ledger, backup = gateway.directory / "ledger.sqlite", gateway.directory / "backup.sqlite"
        made = servers.run("ledger", "backup", str(ledger), "--to", str(backup))
        check("ledger backup, exit code", made.returncode, 0)
        restored.after_the_backup(gateway, upstream, story)

        gateway.kill()
        for end in ("", "-wal", "-shm", ".lock"):
            ledger.with_name(ledger.name + end).unlink(missing_ok=True)
        check("ledger check of the backup, exit code", servers.run("ledger", "check", str(backup)).returncode, 0)
        backup.rename(ledger)
        gateway.start(restored=True)

        def restart():
            gateway.process.stop()
            gateway.start()

        restored.examine(gateway, upstream, story, restart, check)


@contextmanager
def two_replicas(server: Database, upstream: servers.Sandbox):
    """Two that are not started, and know the operator."""
    with replicas(upstream, server, 2, start=False, ledger=QUICK) as group:
        for replica in group:
            restored.may_decide(replica)
        yield group


def point(replica, address: str) -> None:
    """The replica's next start is on this database."""
    replica.reconfigure({"ledger": {"url": address}})


def start_restored(group, upstream, story, check) -> None:
    """The first is started alone with `--restored`, the other one as always; then both are examined."""
    group[0].start(restored=True)
    group[1].start()
    check("held exports that the other replica lists", restored.held(group[1]), {each["id"] for each in story.held})

    def restart():
        for replica in group:
            replica.process.stop()
        group.start()

    restored.examine(group[1], upstream, story, restart, check)


def dump(check) -> None:
    """PostgreSQL: `pg_dump`, and `pg_restore` into an empty database."""
    with servers.sandbox() as upstream, database() as server, two_replicas(server, upstream) as group:
        group.start()
        story = restored.before_the_backup(group[0], upstream)
        made = subprocess.run(pg(server.server, "pg_dump", server.name, "--format=custom"), capture_output=True, timeout=120)
        check("pg_dump, exit code", made.returncode, 0)
        restored.after_the_backup(group[0], upstream, story)

        for replica in group:
            replica.kill()
        empty = Database(server.server)
        owner = empty.name
        words = [*pg(server.server, "pg_restore", empty.name), "--exit-on-error", "--no-owner", f"--role={owner}",
                 "--single-transaction"]
        check("pg_restore, exit code", subprocess.run(words, input=made.stdout, timeout=120, check=False).returncode, 0)
        for replica in group:
            with server.server.session("postgres") as session:
                session.query(f'GRANT "{owner}" TO "{replica.user}"; ALTER ROLE "{replica.user}" SET role = "{owner}"')
            point(replica, empty.url(replica.user))
        start_restored(group, upstream, story, check)


def base_backup(check) -> None:
    """PostgreSQL: a base backup, and the loss of the server."""
    with servers.sandbox() as upstream, database() as server, two_replicas(server, upstream) as group, ExitStack() as stack:
        group.start()
        story = restored.before_the_backup(group[0], upstream)
        copy = Copy(server.server)
        stack.callback(copy.close)
        restored.after_the_backup(group[0], upstream, story)

        server.server.kill()
        for replica in group:
            replica.kill()
        copy.start()
        for replica in group:
            point(replica, copy.url(server.name, replica.user))
        start_restored(group, upstream, story, check)
        for replica in group:
            replica.process.stop()


def standby(check) -> None:
    """PostgreSQL: the server dies, and a synchronous standby is promoted. The gateways go on by themselves, and nothing is held."""
    with servers.sandbox() as upstream, database() as server, ExitStack() as stack:
        copy = Copy(server.server, follows=True)
        stack.callback(copy.close)
        copy.start()
        copy.confirm()
        group = stack.enter_context(two_replicas(server, upstream))
        hosts = f"127.0.0.1:{server.server.port},127.0.0.1:{copy.port}"
        for replica in group:
            point(replica, f"postgresql://{replica.user}@{hosts}/{server.name}?target_session_attrs=read-write")
        group.start()
        story = restored.before_the_backup(group[0], upstream)
        restored.after_the_backup(group[0], upstream, story)

        server.server.kill()
        copy.promote()
        for replica in group:
            poll("a replica on the standby", lambda replica=replica: replica.get("/readyz").status == 200)
            replica.await_ready()
        known = [*story.started, *story.lost]
        check("accepted before the fail-over: there", {group[1].export(each)["status"] for each in known}, {"succeeded"})
        check("held exports", restored.held(group[0]), set())
        # Not Power BI: it has asked these processes to wait.
        group[1].succeeded(group[1].create(bodies.search_result("After the fail-over")))
        again = group[1].call("POST", "/exports", {"Idempotency-Key": "lost-0"}, bodies.search_result("Lost 0"))
        check("an idempotency key still names its export", again.json["id"], story.lost[0]["id"])
        check("jobs of each export that was started", {len(restored.jobs(upstream, each)) for each in known}, {1})
        for replica in group:
            replica.process.stop()


def pg(server: postgresql.PostgreSQL, program: str, name: str, *more: str) -> list[str]:
    """A command line of one of PostgreSQL's programs, as the superuser."""
    return [postgresql.program(program), f"--host={server.directory}", f"--port={server.port}",
            f"--username={postgresql.SUPERUSER}", f"--dbname={name}", *more]
