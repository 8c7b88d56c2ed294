"""A ledger is restored from a backup: nothing is started twice, and what may have been started since waits for an operator.

The same with PostgreSQL, its dumps, base backups and standbys, is in Tests/Drills.
"""

import pytest

import restored
import servers


@pytest.mark.long
def test_a_restored_ledger_starts_nothing_twice(figure):
    with servers.sandbox() as upstream, servers.gateway(upstream, start=False) as gateway:
        restored.may_decide(gateway)
        gateway.start()
        story = restored.before_the_backup(gateway, upstream)
        ledger, backup = gateway.directory / "ledger.sqlite", gateway.directory / "backup.sqlite"
        made = servers.run("ledger", "backup", str(ledger), "--to", str(backup))
        assert made.returncode == 0, made.stderr
        restored.after_the_backup(gateway, upstream, story)

        gateway.kill()
        for end in ("", "-wal", "-shm", ".lock"):
            ledger.with_name(ledger.name + end).unlink(missing_ok=True)
        backup.rename(ledger)
        gateway.start(restored=True)

        def restart():
            gateway.process.stop()
            gateway.start()

        def check(what, found, wanted):
            assert found == wanted, what

        restored.examine(gateway, upstream, story, restart, check)
        assert '"count":"5"' in gateway.process.lines().replace(" ", "")
        figure(f"{len(story.held)} exports held, started twice 0")
