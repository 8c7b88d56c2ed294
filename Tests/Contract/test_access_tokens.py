"""Entra access tokens for the gateway's own application, issued by the sandbox: good ones, bad ones, and new keys."""

import pytest

import bodies
import evidence
import servers
from client import call, ended_deliveries, poll

SCOPES = "Exports.Create Exports.Read Exports.Download Exports.Cancel Connections.Use:*"


@pytest.fixture
def entra(upstream):
    """A gateway that takes the sandbox's tokens and nothing else."""
    section = {
        "authority": upstream.api,
        "tenantIds": [bodies.TENANT],
        "audiences": [bodies.CLIENT, f"api://{bodies.CLIENT}"],
        "keyRefreshInterval": "1s",
        "allowPlainHTTP": True,
    }
    with servers.gateway(upstream, authenticated=False, server={"entra": section}) as gateway:
        yield gateway


def token(upstream, **wanted) -> dict:
    """A token, and what is in it."""
    answer = call(upstream.api, "POST", "/_sandbox/tokens", body=wanted)
    assert answer.status == 201, answer.body
    evidence.keep_secrets([answer.json["token"]])
    return answer.json


def listed(gateway, token: str):
    return gateway.call("GET", "/exports", {"Authorization": f"Bearer {token}"})


def test_an_export_of_a_user_is_the_users(entra, upstream):
    made = token(upstream, kind="user", claims={"scp": SCOPES})
    other = token(upstream, kind="user", claims={"scp": SCOPES, "oid": "99999999-8888-4777-8666-555555555555"})
    own, strange = ({"Authorization": f"Bearer {each['token']}"} for each in (made, other))
    body = bodies.paginated_csv()
    answer = entra.call("POST", "/exports", bodies.headers_for(body) | own, body)
    assert answer.status == 202, answer.body
    path = answer.json["href"]
    assert answer.json["createdBy"] == f"user:{made['claims']['tid']}:{made['claims']['oid']}"
    poll("its end", lambda: entra.call("GET", path, own).json["status"] == "succeeded")
    assert entra.call("GET", f"{path}/content", own).status == 200
    for target in [path, f"{path}/files", f"{path}/content", f"{path}/deliveries"]:
        assert entra.call("GET", target, strange).status == 404
    rows = ended_deliveries(lambda: entra.call("GET", f"{path}/deliveries", own))
    assert [row["caller"] for row in rows] == [answer.json["createdBy"]]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_good_tokens(entra, upstream, version, alg):
    user = token(upstream, version=version, alg=alg, kind="user", claims={"scp": "Exports.Read"})
    assert listed(entra, user["token"]).status == 200
    application = token(upstream, version=version, alg=alg, kind="application", claims={"roles": ["Exports.ReadAll"]})
    assert listed(entra, application["token"]).status == 200
    weak = token(upstream, version=version, alg=alg, kind="user", claims={"scp": "user_impersonation"})
    assert listed(entra, weak["token"]).problem(403, "forbidden")["permission"] == "Exports.Read"


USER = {"scp": "Exports.Read"}
BAD = {
    "unknown key": {"signature": "unknownKey", "claims": USER},
    "another key": {"signature": "otherKey", "claims": USER},
    "broken": {"signature": "broken", "claims": USER},
    "hmac": {"signature": "hmac", "claims": USER},
    "none": {"signature": "none", "claims": USER},
    "expired": {"lifetime": -120, "start": -7200, "claims": USER},
    "not yet valid": {"start": 300, "claims": USER},
    "no audience": {"claims": USER | {"aud": []}},
    "another audience": {"claims": USER | {"aud": "https://graph.microsoft.com"}},
    "another tenant": {"claims": USER | {"tid": "94a356ab-53d5-40e7-8a85-053d6d3b9eb3"}},
    "another issuer": {"claims": USER | {"iss": "https://sts.windows.net/94a356ab-53d5-40e7-8a85-053d6d3b9eb3/"}},
    "no exp": {"claims": USER | {"exp": None}},
    "no oid": {"claims": USER | {"oid": None}},
    "no scopes": {"claims": {"scp": None}},
    "no roles": {"kind": "application"},
    "empty roles": {"kind": "application", "claims": {"roles": []}},
    "no kid": {"header": {"kid": None}, "claims": USER},
    "swapped algorithm": {"header": {"alg": "PS256"}, "claims": USER},
    "critical": {"header": {"crit": ["b64"]}, "claims": USER},
}


def test_bad_tokens(entra, upstream):
    accepted = []
    for name, wanted in BAD.items():
        answer = listed(entra, token(upstream, **({"kind": "user"} | wanted))["token"])
        if answer.status == 503:
            # A key that may not be looked for yet.
            assert "www-authenticate" not in answer.headers and int(answer.headers["retry-after"]) >= 0, name
            answer = poll("another try", lambda: (last := listed(entra, token(upstream, **({"kind": "user"} | wanted))["token"])).status != 503 and last)
        if answer.status != 401:
            accepted.append(name)
            continue
        answer.problem(401, "unauthenticated")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"], name
    print(f"bad tokens: {len(BAD)} tried, {len(accepted)} accepted")
    assert not accepted
    assert listed(entra, token(upstream, kind="user", claims=USER)["token"]).status == 200


def test_a_new_key_is_found_and_an_old_one_is_dropped(entra, upstream):
    old = token(upstream, kind="user", claims=USER)["token"]
    assert listed(entra, old).status == 200
    assert call(upstream.api, "POST", "/_sandbox/signing-keys", body={"withdrawOthers": True}).status == 201
    new = token(upstream, kind="user", claims=USER)["token"]
    poll("the new key", lambda: listed(entra, new).status == 200)
    # Before the old one's is refused, it is looked for: 503 until it may be.
    poll("the old key's end", lambda: listed(entra, old).status == 401)
    assert entra.metric("export_gateway_token_key_fetches_total", outcome="fetched") >= 2


@pytest.mark.long
def test_check_asks_for_the_keys(entra, upstream):
    file = str(entra.directory / "gateway.yaml")
    secret = {"SANDBOX_CLIENT_SECRET": bodies.CLIENT_SECRET}
    result = servers.run("check", "--config", file, environment=secret)
    assert result.returncode == 0 and "ok   server.entra" in result.stdout, result
    for old, new in [(bodies.TENANT, "94a356ab-53d5-40e7-8a85-053d6d3b9eb3"), (upstream.api, "http://127.0.0.1:9")]:
        wrong = entra.directory / "wrong.yaml"
        section, _, rest = (entra.directory / "gateway.yaml").read_text().partition('"connections"')
        wrong.write_text(section.replace(old, new) + '"connections"' + rest)
        result = servers.run("check", "--config", str(wrong), environment=secret)
        assert result.returncode == 1 and "FAIL server.entra" in result.stdout, result
