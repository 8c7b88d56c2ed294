"""What a restore of a backup has to keep to: nothing is started twice. The same for each kind of ledger and of backup."""

import hashlib
import uuid
from dataclasses import dataclass, field

import bodies
import evidence
import servers

OPERATOR = "operator-" + uuid.uuid4().hex
#: The key of somebody who may decide about the exports of all.
KEYS = {"id": "operator", "sha256": hashlib.sha256(OPERATOR.encode()).hexdigest(),
        "permissions": ["Exports.Read", "Exports.ReadAll", "Exports.Resolve"]}
#: So long an upstream puts starts off that nobody started before the disk was lost.
LONG = "600"


def may_decide(gateway: servers.Gateway) -> None:
    """The next start knows the operator."""
    evidence.keep_secrets([OPERATOR])
    keys = gateway.configuration["server"]["apiKeys"]
    gateway.reconfigure({"server": {"apiKeys": [*keys, KEYS]}})


@dataclass
class Story:
    """Exports, by what became of them after the backup."""

    #: Ended before it.
    ended: dict = field(default_factory=dict)
    #: Accepted before it, and started since.
    started: list[dict] = field(default_factory=list)
    #: Accepted before it, and not started.
    waiting: list[dict] = field(default_factory=list)
    #: Accepted since.
    lost: list[dict] = field(default_factory=list)

    @property
    def held(self) -> list[dict]:
        return [*self.started, *self.waiting]


def before_the_backup(gateway: servers.Gateway, upstream: servers.Sandbox) -> Story:
    """Exports that have ended, and some that are accepted: the upstream puts off all starts."""
    story = Story(ended=gateway.succeeded(gateway.create(bodies.search_result("Ended before"))))
    upstream.rule("graph.start", {"kind": "throttled", "retryAfter": "1"})
    upstream.rule("power-bi.start", {"kind": "throttled", "retryAfter": LONG})
    for number in range(3):
        story.started.append(gateway.create(bodies.search_result(f"Started since {number}"), Idempotency_Key=f"since-{number}"))
    for number in range(2):
        story.waiting.append(gateway.create(bodies.report(f"Waiting {number}")))
    for export in story.held:
        gateway.watch(export, until=lambda export: export.get("notice", {}).get("code") == "upstream-throttled")
    return story


def after_the_backup(gateway: servers.Gateway, upstream: servers.Sandbox, story: Story) -> None:
    """Those that the backup has as accepted are started, and new ones come."""
    upstream.remove_rules()
    for export in story.started:
        gateway.succeeded(export)
    for number in range(2):
        story.lost.append(gateway.succeeded(gateway.create(bodies.search_result(f"Lost {number}"), Idempotency_Key=f"lost-{number}")))


def jobs(upstream: servers.Sandbox, export: dict) -> list[dict]:
    """The jobs that the upstream has for an export of eDiscovery: each has the export's id in its description."""
    return [job for job in upstream.jobs() if export["id"] in (job.get("marker") or "")]


def held(gateway: servers.Gateway) -> set[str]:
    """The ids of what is held, as an operator lists them."""
    found = set()
    for status in ("notStarted", "unknown"):
        page = gateway.get(f"/exports?status={status}&limit=200").json
        assert "next" not in page
        found |= {each["id"] for each in page["value"] if each.get("notice", {}).get("code") == "held-after-restore"}
    return found


def decide(gateway: servers.Gateway, export: dict, **decision) -> dict:
    answer = gateway.call("PUT", f"/exports/{export['id']}/submission", {"Authorization": f"Bearer {OPERATOR}"}, decision)
    assert answer.status == 200, answer.body
    return answer.json


def new_work(gateway: servers.Gateway, name: str) -> None:
    """An export that is created now ends: whatever the gateway was going to start by itself, it has had its turn."""
    gateway.succeeded(gateway.create(bodies.search_result(name)))
    gateway.succeeded(gateway.create(bodies.report(name)))


def examine(gateway: servers.Gateway, upstream: servers.Sandbox, story: Story, restart, check) -> None:
    """Examines a gateway that was started with `--restored`. `restart` starts it again, without that. `check` is called with what was
    looked at, what was found, and what has to be."""
    ids = {export["id"] for export in story.held}
    before = len(upstream.jobs())
    check("accepted after the backup: 404", [gateway.get(f"/exports/{each['id']}").status for each in story.lost], [404, 404])
    check("ended before the backup: as it was", gateway.export(story.ended)["status"], "succeeded")
    check("held exports that are listed", held(gateway), ids)
    check("their status", {gateway.export(each)["status"] for each in story.held}, {"notStarted"})
    new_work(gateway, "After the restore")
    again = gateway.call("POST", "/exports", {"Idempotency-Key": "since-0"}, bodies.search_result("Started since 0"))
    check("an idempotency key of a held export names it", again.json["id"], story.started[0]["id"])
    restart()
    new_work(gateway, "After the next start")
    check("held after a start without the flag", held(gateway), ids)
    check("jobs besides those of new exports", len(upstream.jobs()) - before - 4, 0)

    for export in story.started[:2]:
        (job,) = jobs(upstream, export)
        decide(gateway, export, outcome="started", upstreamId=job["id"])
        # Graph writes ids with dashes and without.
        named = uuid.UUID(gateway.succeeded(export)["upstream"]["id"])
        check("named by its job: it ends", str(named), str(uuid.UUID(job["id"])))
    decide(gateway, story.started[2], outcome="abandoned")
    check("abandoned: it ends", gateway.export(story.started[2])["status"], "canceled")
    for export in story.waiting:
        decide(gateway, export, outcome="notStarted")
        gateway.succeeded(export)
        decide(gateway, export, outcome="notStarted")
    check("jobs of released exports, each started once", len(upstream.jobs()) - before - 4, len(story.waiting))
    check("held at the end", held(gateway), set())
    started = [len(jobs(upstream, each)) for each in [story.ended, *story.started, *story.lost]]
    check("jobs of each export that was started", set(started), {1})
    # What the guide says of exports that the ledger does not know.
    found = {job["marker"] for job in upstream.jobs(service="graph-ediscovery") if "Lost" in job["name"]}
    check("lost exports found upstream by their ids", [any(each["id"] in text for text in found) for each in story.lost], [True, True])
