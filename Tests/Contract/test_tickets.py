"""Download tickets: an address without a credential, good for one whole delivery, and for nobody whom the gateway does not know."""

import concurrent.futures
import hashlib
import http.client
import secrets
import socket
import subprocess
import time
from datetime import datetime, timezone
from urllib.parse import urlsplit

import pytest

import bodies
import client
import servers
from client import ended_deliveries, poll
from test_callers import OWN, Door, Visitor

SIZE = 4 << 20


@pytest.fixture
def export(gateway, upstream):
    """A finished export with one CSV file of 4 MiB, whose length is measured by its first delivery."""
    upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": SIZE, "content": "csv"})
    export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
    gateway.download(export["files"][0]["href"])
    return gateway.export(export)


def make(gateway, export) -> str:
    answer = gateway.call("POST", f"{export['files'][0]['href']}/tickets")
    assert answer.status == 201, answer.body
    assert answer.headers["cache-control"] == "no-store"
    return answer.json["href"]


def use(gateway, ticket: str, **headers: str) -> client.Answer:
    """A request without a credential."""
    return client.call(gateway.address, "GET", ticket, headers)


def digest(upstream) -> str:
    return upstream.jobs()[0]["files"][0]["sha256"]


def whole_by_ticket(gateway, export) -> list[dict]:
    rows = ended_deliveries(lambda: gateway.get(f"{export['href']}/deliveries"))
    return [row for row in rows if "ticketId" in row and row["outcome"] == "whole"]


def test_curl_downloads_once_without_a_credential(gateway, upstream, export, tmp_path):
    ticket = make(gateway, export)
    command = ["curl", "-sSf", "--remote-header-name", "-O", "--compressed", f"{gateway.address}{ticket}"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    (saved,) = tmp_path.iterdir()
    assert saved.name == export["files"][0]["name"]
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == digest(upstream)
    use(gateway, ticket).problem(410, "ticket-used")
    assert subprocess.run(command, cwd=tmp_path, check=False, timeout=60, capture_output=True).returncode == 22
    (row,) = whole_by_ticket(gateway, export)
    assert row["caller"] == "black-box" and row["sha256"] == digest(upstream)
    # What is a secret stands in no log.
    assert ticket.rsplit("/", 1)[1] not in gateway.process.lines()


def test_a_download_that_was_cut_goes_on(gateway, upstream):
    # Longer than what the system holds for a client that does not read.
    size = 32 << 20
    upstream.rule("power-bi.start", {"kind": "fileContent", "bytes": size, "content": "csv"})
    export = gateway.succeeded(gateway.create(bodies.paginated_csv()))
    gateway.download(export["files"][0]["href"])
    ticket = make(gateway, export)
    head = client.call(gateway.address, "HEAD", ticket)
    assert head.status == 200 and head.headers["content-length"] == str(size)
    target = urlsplit(gateway.address)
    # Cut, but the gateway does not hear of it: the connection is left as it is.
    with socket.create_connection((target.hostname, target.port)) as connection:
        connection.sendall(f"GET {ticket} HTTP/1.1\r\nHost: {target.netloc}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        tag = answer.getheader("ETag")
        sent = answer.read(size // 4)
        rest = use(gateway, ticket, Range=f"bytes={len(sent)}-", **{"If-Range": tag})
    assert rest.status == 206
    assert hashlib.sha256(sent + rest.body).hexdigest() == digest(upstream)
    rows = ended_deliveries(lambda: gateway.get(f"{export['href']}/deliveries"), 3)
    assert [row["outcome"] for row in rows] == ["whole", "abandoned", "whole"]
    use(gateway, ticket).problem(410, "ticket-used")


def test_of_many_at_once_one_gets_the_file(gateway, upstream, export, figure):
    def attempt(ticket: str) -> bool:
        try:
            answer = use(gateway, ticket)
        except (http.client.HTTPException, OSError):
            return False
        if answer.status == 200:
            return hashlib.sha256(answer.body).hexdigest() == digest(upstream)
        assert answer.json["code"] in ("ticket-in-use", "ticket-used"), answer.json
        return False

    tickets = [make(gateway, export) for _ in range(3)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for ticket in tickets:
            assert sum(pool.map(attempt, [ticket] * 32)) == 1
    assert len(whole_by_ticket(gateway, export)) == len(tickets)
    figure(f"{len(tickets) * 32} downloads with {len(tickets)} tickets at once: {len(tickets)} whole")


def test_what_is_no_ticket_opens_nothing(gateway, export, figure):
    ticket = make(gateway, export)
    folder, text = ticket.rsplit("/", 1)
    tried = [text[:-1], text + "A", text[::-1], text.lower(), export["id"], secrets.token_urlsafe(len(text) * 3 // 4)]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place, letter in enumerate(text):
        tried.append(text[:place] + letters[(letters.index(letter) + 1) % 64] + text[place + 1 :])
    for wrong in tried:
        client.call(gateway.address, "GET", f"{folder}/{wrong}").problem(404, "not-found")
    assert whole_by_ticket(gateway, export) == []
    # With a credential, too.
    gateway.get(f"{folder}/{tried[0]}").problem(404, "not-found")
    assert use(gateway, ticket).status == 200
    figure(f"{len(tried)} forged and altered tickets, 0 accepted")


def test_a_ticket_ends_with_its_caller_and_its_time(upstream):
    key = {"GATEWAY_CURSOR_KEY": secrets.token_hex(32)}
    server = {"cursorKey": "env:GATEWAY_CURSOR_KEY"}
    with servers.gateway(upstream, environment=key, server=server) as gateway:
        export = gateway.succeeded(gateway.create(bodies.report()))
        tickets = [make(gateway, export) for _ in range(3)]
        # It is good after a restart, as the key is the same.
        gateway.process.stop()
        gateway.start()
        assert use(gateway, tickets[0]).status == 200
        # Used up before the restart, too.
        gateway.process.stop()
        gateway.start()
        use(gateway, tickets[0]).problem(410, "ticket-used")
        # The caller is not configured any more.
        callers = gateway.configuration["server"]["apiKeys"]
        other = [{"id": "another", "sha256": hashlib.sha256(b"another").hexdigest()}]
        gateway.process.stop()
        gateway.reconfigure({"server": {"apiKeys": other}})
        gateway.start()
        use(gateway, tickets[1]).problem(404, "not-found")
        gateway.process.stop()
        gateway.reconfigure({"server": {"apiKeys": [callers[0] | {"permissions": ["Exports.Read"]}]}})
        gateway.start()
        use(gateway, tickets[1]).problem(403, "forbidden")
        gateway.process.stop()
        gateway.reconfigure({"server": {"apiKeys": callers, "tickets": {"lifetime": "1s"}}})
        gateway.start()
        short = make(gateway, export)
        poll("its end", lambda: client.call(gateway.address, "HEAD", short).status == 410)
        use(gateway, short).problem(410, "ticket-expired")
        assert use(gateway, tickets[2]).status == 200


def test_tickets_of_access_tokens_and_of_a_certificate(upstream, tmp_path):
    door = Door(upstream, tmp_path)
    key = {"GATEWAY_CURSOR_KEY": secrets.token_hex(32)}
    server = door.section | {"cursorKey": "env:GATEWAY_CURSOR_KEY"}
    _, user, application, certificate = door.owners
    nobody = Visitor(None)
    with servers.gateway(upstream, start=False, authenticated=False, environment=key, server=server) as gateway:

        def call(visitor, method, path, body=None):
            return door.call(gateway, visitor, method, path, body=body)

        def is_ready():
            assert gateway.process.exit_code is None, gateway.process.lines()[-4000:]
            try:
                return call(nobody, "GET", "/readyz").status == 200
            except OSError:
                return False

        def start(**changed):
            gateway.process.stop()
            gateway.reconfigure({"server": changed})
            gateway.start(ready=False)
            poll("the gateway's readiness", is_ready)

        def made(visitor, file):
            answer = call(visitor, "POST", f"{file}/tickets")
            assert answer.status == 201, answer.body
            return answer.json

        def with_token(**claims):
            return Visitor(user.id, {"Authorization": f"Bearer {upstream.mint(kind='user', claims=claims)}"})

        def succeeded(visitor):
            export = call(visitor, "POST", "/exports", bodies.paginated_csv()).json
            assert export["createdBy"] == visitor.id
            poll("its end", lambda: call(visitor, "GET", export["href"]).json["status"] == "succeeded")
            return call(visitor, "GET", export["href"]).json

        def deliveries(visitor, export):
            return ended_deliveries(lambda: call(visitor, "GET", f"{export['href']}/deliveries"))

        start()
        files, tickets = {}, {}
        for visitor in (user, application, certificate):
            export = succeeded(visitor)
            file = files[visitor.id] = export["files"][0]["href"]
            used, *tickets[visitor.id] = (made(visitor, file)["href"] for _ in range(3))
            assert hashlib.sha256(call(nobody, "GET", used).body).hexdigest() == upstream.jobs()[-1]["files"][0]["sha256"]
            call(nobody, "GET", used).problem(410, "ticket-used")
            (row,) = deliveries(visitor, export)
            assert (row["caller"], row["outcome"], "ticketId" in row) == (visitor.id, "whole", True)
        # A token that may not download makes none, and one that ends soon makes one that ends with it.
        refused = call(with_token(scp="Exports.Read"), "POST", f"{files[user.id]}/tickets").problem(403, "forbidden")
        assert refused["permission"] == "Exports.Download"
        end = int(time.time()) + 8
        ending = made(with_token(scp=" ".join(OWN), exp=end), files[user.id])
        assert datetime.fromisoformat(ending["expiresAt"]) == datetime.fromtimestamp(end, timezone.utc)
        # The certificate's caller may not download any more. What Entra took from the others is known with their next tokens only.
        callers = gateway.configuration["server"]["tls"]["callers"]
        less = [caller | ({"permissions": ["Exports.Read"]} if caller["id"] == certificate.id else {}) for caller in callers]
        start(tls=server["tls"] | {"callers": less})
        call(nobody, "GET", tickets[certificate.id][0]).problem(403, "forbidden")
        for visitor in (user, application):
            assert call(nobody, "GET", tickets[visitor.id][0]).status == 200
        # None of them is configured any more.
        without = [caller for caller in callers if caller["id"] != certificate.id]
        entra = server["entra"] | {"tenantIds": [bodies.ORGANIZATION]}
        start(tls=server["tls"] | {"callers": without}, entra=entra)
        for visitor in (user, application, certificate):
            call(nobody, "GET", tickets[visitor.id][1]).problem(404, "not-found")
        start(tls=server["tls"], entra=server["entra"])
        poll("the token's end", lambda: call(nobody, "HEAD", ending["href"]).status == 410)
        call(nobody, "GET", ending["href"]).problem(410, "ticket-expired")
        for visitor in (user, application, certificate):
            assert call(nobody, "GET", tickets[visitor.id][1]).status == 200
        gateway.process.stop()
        lines = gateway.process.lines()
        assert not any(ticket.rsplit("/", 1)[1] in lines for left in tickets.values() for ticket in left)
