"""The database of several replicas goes away and comes back, for all of them or for one."""

import time

import pytest

import bodies
import postgresql
import replicas
import servers
from client import call, poll
from test_replicas import LEASE, TAKEN_OVER, group, holder, pytestmark  # noqa: F401


@pytest.fixture(scope="module")
def server():
    with postgresql.postgresql() as server:
        yield server


@pytest.fixture
def database(server):
    return replicas.Database(server)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["fast", "kill"])
def test_the_database_is_restarted(database, mode):
    with servers.sandbox(job_duration="5s") as upstream, group(upstream, database, 2) as cluster:
        exports = [cluster[number % 2].create(bodies.paginated_csv(f"Export {number}")) for number in range(6)]
        # A start that is under way may stay unconfirmed, which is another test's matter.
        for export in exports:
            cluster[0].watch(export, until=lambda export: "id" in export.get("upstream", {}))
        database.server.stop("fast") if mode == "fast" else database.server.kill()
        # It answers, and says what it cannot do.
        answer = cluster[0].call("POST", "/exports", {}, bodies.report())
        assert answer.status == 503, answer.body
        assert call(cluster[1].address, "GET", "/livez").status == 200
        time.sleep(1)
        database.server.start()
        poll("new exports", lambda: cluster[1].call("POST", "/exports", {}, bodies.report("Afterwards")).status == 202)
        for export in exports:
            assert cluster[0].succeeded(export)["name"] == export["name"]
        known = cluster[1].get("/exports?limit=100").json["value"]
        assert {export["id"] for export in exports} <= {export["id"] for export in known}
        for export in known:
            cluster[0].succeeded(export)
        assert len(upstream.jobs()) == len(known)


@pytest.mark.long
def test_one_is_cut_off_and_the_others_go_on(database):
    with servers.sandbox(job_duration="6s") as upstream, group(upstream, database, proxied=True) as cluster:
        exports = [cluster[number % 3].create(bodies.paginated_csv(f"Export {number}")) for number in range(3)]
        for export in exports:
            cluster[0].watch(export, until=lambda export: "id" in export.get("upstream", {}))
        first = holder(cluster, database, "bi")
        other = next(replica for replica in cluster if replica is not first)
        first.proxy.stall()
        poll("two replicas", lambda: other.metric("export_gateway_replicas") == 2, within=TAKEN_OVER + LEASE)
        ended = [other.succeeded(export) for export in exports]
        # What it knows may be old, and it says so, or it does not answer.
        for export in exports[:1]:
            answer = call(first.address, "GET", f"/exports/{export['id']}", {"Authorization": f"Bearer {cluster.key}"})
            assert answer.status == 503 or answer.json["status"] in servers.TERMINAL or answer.json["stale"], answer.body
        first.proxy.resume()
        for export in ended:
            poll("what the others did", lambda export=export: first.export(export) == export, within=20)
        assert len(upstream.jobs()) == len(exports)
