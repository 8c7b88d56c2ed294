"""What was written to the database, by whom, and under which lease: recorded by triggers that the run installs itself.

Each replica has a database user of its own, so that `session_user` says who wrote. A number of one sequence is taken while the
locks of the written rows are held: for one row, and for a row and the lease that a write locks, the numbers are in the
order of the commits.
"""

import json
from dataclasses import dataclass

SCHEMA = """
CREATE SCHEMA witness;
CREATE TABLE witness.history (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    writer TEXT NOT NULL,
    kind TEXT NOT NULL,
    operation TEXT NOT NULL,
    name TEXT NOT NULL,
    before JSONB,
    after JSONB,
    changed TEXT[],
    present JSONB
);
CREATE FUNCTION witness.brief(row_json JSONB) RETURNS JSONB LANGUAGE SQL IMMUTABLE AS $$
    SELECT jsonb_build_object('status', row_json->'status', 'phase', row_json->'phase', 'revision', row_json->'revision',
        'fence', row_json->'fence', 'owner', row_json->'lease_owner', 'epoch', row_json->'lease_epoch',
        'reference', row_json->'reference', 'attempts', row_json->'submission_attempts')
$$;
-- What the owner of an export is at this moment: its registration, and its lease where it names one.
CREATE FUNCTION witness.owner(owner TEXT) RETURNS JSONB LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found JSONB := '{}';
    parts TEXT[] := regexp_match(owner, '^([^/]+)(?:/([0-9]+)/(.*))?$');
BEGIN
    SELECT jsonb_build_object('expires', extract(epoch FROM expires_at - clock_timestamp())) INTO found
        FROM public.replica WHERE id = parts[1];
    found := coalesce(found, '{}');
    IF parts[2] IS NOT NULL THEN
        found := found || coalesce((SELECT jsonb_build_object('holder', l.owner, 'epoch', l.epoch)
            FROM public.lease l WHERE l.name = parts[3]), '{}');
    END IF;
    RETURN found;
END $$;
CREATE FUNCTION witness.note_export() RETURNS TRIGGER LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    old_row JSONB := to_jsonb(OLD);
    new_row JSONB := to_jsonb(NEW);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO witness.history (writer, kind, operation, name, after)
            VALUES (session_user, 'export', TG_OP, NEW.id, witness.brief(new_row));
    ELSE
        INSERT INTO witness.history (writer, kind, operation, name, before, after, changed, present)
            VALUES (session_user, 'export', TG_OP, OLD.id, witness.brief(old_row), witness.brief(new_row),
                (SELECT array_agg(n.key) FROM jsonb_each(new_row) n JOIN jsonb_each(old_row) o USING (key)
                    WHERE n.value IS DISTINCT FROM o.value),
                jsonb_build_object('before', witness.owner(OLD.lease_owner), 'after', witness.owner(NEW.lease_owner)));
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION witness.note_lease() RETURNS TRIGGER LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
BEGIN
    INSERT INTO witness.history (writer, kind, operation, name, before, after)
        VALUES (session_user, 'lease', TG_OP, coalesce(NEW.name, OLD.name), to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END $$;
CREATE FUNCTION witness.note_replica() RETURNS TRIGGER LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
BEGIN
    INSERT INTO witness.history (writer, kind, operation, name, before, after)
        VALUES (session_user, 'replica', TG_OP, coalesce(NEW.id, OLD.id), to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER witness_export AFTER INSERT OR UPDATE OR DELETE ON public.export
    FOR EACH ROW EXECUTE FUNCTION witness.note_export();
CREATE TRIGGER witness_lease AFTER INSERT OR UPDATE OR DELETE ON public.lease
    FOR EACH ROW EXECUTE FUNCTION witness.note_lease();
CREATE TRIGGER witness_replica AFTER INSERT OR DELETE ON public.replica
    FOR EACH ROW EXECUTE FUNCTION witness.note_replica();
"""

TERMINAL = {"succeeded", "partiallySucceeded", "failed", "canceled", "expired"}
#: What only the one who works on an export changes. A caller's request, on any replica, changes others.
PROGRESS = {
    "reference", "submission_attempts", "resubmissions", "reconcile_misses", "submitting_since", "upstream_submitting_since",
    "start_is_accepted", "tracking_since", "missing_since", "unknown_since", "polls", "observed_at", "percent_complete",
    "file_lag_attempts", "files_pending_since", "held_seconds", "held_seconds_since_answer", "recovering_since",
}


@dataclass
class Write:
    """One row of the history."""

    number: int
    at: str
    writer: str
    kind: str
    operation: str
    name: str
    before: dict
    after: dict
    changed: set[str]
    present: dict


def start(group, database) -> None:
    """Starts the replicas, and records everything that they write. The first one makes the tables, and is killed before any works."""
    group[0].start()
    group[0].kill()
    database.query(SCHEMA)
    group.start()


def read(database) -> list[Write]:
    """Everything, in its order."""
    rows = database.query(
        "SELECT number, at, writer, kind, operation, name, before, after, to_jsonb(changed), present "
        "FROM witness.history ORDER BY number"
    )
    return [
        Write(int(row[0]), *row[1:6], _json(row[6]) or {}, _json(row[7]) or {}, set(_json(row[8]) or ()), _json(row[9]) or {})
        for row in rows
    ]


def reverted(writes: list[Write]) -> list[str]:
    """Writes that took a final status back. A success may expire."""
    found = []
    for write in _updates(writes):
        old, new = write.before["status"], write.after["status"]
        if old in TERMINAL and new != old and not (new == "expired" and old in ("succeeded", "partiallySucceeded")):
            found.append(f"{write.name}: {old} became {new} by {write.writer} at {write.at}")
    return found


def backwards(writes: list[Write]) -> list[str]:
    """Writes by which the fence, the epoch or the revision of an export became smaller."""
    return [
        f"{write.name}: {member} {write.before[member]} became {write.after[member]} by {write.writer} at {write.at}"
        for write in _updates(writes)
        for member in ("fence", "epoch", "revision")
        if write.after[member] < write.before[member]
    ]


def stale(writes: list[Write]) -> tuple[list[str], list[float]]:
    """Writes of progress by one who did not own the export then, from what the history itself says; and by how many seconds the
    writer's registration had expired, in writes of one whose lease nobody had claimed yet."""
    users = {write.name: write.writer for write in writes if write.kind == "replica" and write.operation == "INSERT"}
    found, late = [], []
    for write in _updates(writes):
        taken = write.after["owner"] != write.before["owner"]
        if not taken and not write.changed & PROGRESS:
            continue
        # Who takes an export over is its owner from then on.
        owner, present = (write.after["owner"], write.present["after"]) if taken else (write.before["owner"], write.present["before"])
        if taken and owner is None:
            continue
        reason = _reason(owner, present, write.writer, users)
        if reason:
            found.append(f"{write.number} {write.name} by {write.writer} at {write.at}, owner {owner}: {reason}; "
                         f"{'took over, ' if taken else ''}changed {sorted(write.changed)}")
        elif present["expires"] < 0:
            late.append(-present["expires"])
    return found, late


def _reason(owner: str | None, present: dict, writer: str, users: dict[str, str]) -> str:
    if owner is None:
        return "nobody owned it"
    replica, _, token = owner.partition("/")
    if users.get(replica) != writer:
        return f"it was {users.get(replica)}'s"
    if "expires" not in present:
        return "its registration was gone"
    if token:
        epoch = int(token.partition("/")[0])
        if (present.get("holder"), present.get("epoch")) != (replica, epoch):
            return f"the lease was {present.get('holder')}/{present.get('epoch')}"
    return ""


def out_of_order(writes: list[Write]) -> list[str]:
    """Writes of progress under a lease after the history has another holder of it: the same, from the order alone."""
    holders: dict[str, tuple] = {}
    found = []
    for write in writes:
        if write.kind == "lease":
            holders[write.name] = (write.after.get("owner"), write.after.get("epoch"))
        elif write.kind == "export" and write.operation == "UPDATE" and write.changed & PROGRESS:
            replica, _, token = (write.after["owner"] or "").partition("/")
            if token:
                epoch, _, name = token.partition("/")
                if name in holders and holders[name] != (replica, int(epoch)):
                    found.append(f"{write.number} {write.name} under {write.after['owner']} when {name} was {holders[name]}")
    return found


def hands(writes: list[Write]) -> int:
    """How often a lease was claimed."""
    return sum(write.kind == "lease" and write.after.get("owner") is not None
               and write.after.get("epoch") != write.before.get("epoch") for write in writes)


def _updates(writes: list[Write]) -> list[Write]:
    return [write for write in writes if write.kind == "export" and write.operation == "UPDATE"]


def _json(text: str | None):
    return None if text is None else json.loads(text)
