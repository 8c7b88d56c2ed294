"""In the caller's name: what Entra ID wants of the user goes back to the caller, once, and is not asked again and again."""

import base64
import json
import re

import pytest

import bodies
from credential_mistakes import unregistered
from credentials import on_behalf_of
from test_credentials import check, gateway, succeeded

CLAIMS = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'


@pytest.fixture
def credential(upstream, tmp_path):
    return on_behalf_of(upstream, tmp_path)


def caller(upstream, **wanted) -> dict[str, str]:
    """Another token of a caller's, so that nothing is known of it yet."""
    return {"Upstream-Authorization": f"Bearer {upstream.mint(**wanted)}"}


def content(server, credential) -> str:
    return f"{succeeded(server, credential, bodies.report())['href']}/content"


def test_each_user_token_is_exchanged_once(upstream, credential):
    with gateway(upstream, credential) as server:
        path = content(server, credential)
        assert upstream.tokens() == {"onBehalfOf": 1}
        another = caller(upstream)
        for _ in range(3):
            assert server.call("GET", path, another).status == 200
        assert upstream.tokens() == {"onBehalfOf": 2}


def test_a_claims_challenge_goes_back_to_the_caller(upstream, credential):
    with gateway(upstream, credential) as server:
        path = content(server, credential)
        upstream.rule("entra.token", {"kind": "interactionRequired", "claims": CLAIMS})
        before, another = upstream.token_calls(), caller(upstream)
        for _ in range(3):
            answer = server.call("GET", path, another)
            answer.problem(401, "upstream-claims-required")
            challenge = answer.headers["www-authenticate"]
            assert 'error="insufficient_claims"' in challenge
            assert f'authorization_uri="{upstream.api}/{bodies.TENANT}/oauth2/v2.0/authorize"' in challenge
            assert base64.b64decode(re.search(r'claims="([^"]*)"', challenge)[1]).decode() == CLAIMS
        assert upstream.token_calls() == before + 1


def test_a_claims_challenge_of_the_api_itself_goes_back_too(upstream, credential):
    """A new exchange of the same sign-in would be refused as the first was: none is made."""
    with gateway(upstream, credential) as server:
        path, another = content(server, credential), caller(upstream)
        encoded = base64.b64encode(CLAIMS.encode()).decode()
        challenge = f'Bearer realm="", error="insufficient_claims", claims="{encoded}"'
        fault = {"kind": "status", "status": 401, "headers": {"WWW-Authenticate": challenge}}
        upstream.rule("power-bi.*", fault)
        before = upstream.token_calls()
        answer = server.call("GET", path, another)
        answer.problem(401, "upstream-claims-required")
        assert f'claims="{encoded}"' in answer.headers["www-authenticate"]
        assert upstream.token_calls() == before + 1
        upstream.remove_rules()
        assert server.call("GET", path, caller(upstream, claims={"acrs": ["c1"]})).status == 200


def test_a_challenge_before_the_start_stands_in_the_export(upstream, credential):
    """It waits for its caller, who comes with a token that proves more."""
    with gateway(upstream, credential) as server:
        server.call("POST", "/exports", None, bodies.report()).problem(403, "upstream-authorization-required")
        upstream.rule("entra.token", {"kind": "interactionRequired", "claims": CLAIMS})
        export = server.call("POST", "/exports", caller(upstream), bodies.report()).json
        notice = server.watch(export, until=lambda export: "notice" in export)["notice"]
        assert notice["code"] == "upstream-claims-required"
        assert base64.b64encode(CLAIMS.encode()).decode() in notice["detail"]
        assert upstream.token_calls() == 1
        upstream.remove_rules()
        better = caller(upstream, claims={"acrs": ["c1"]})
        assert server.call("GET", f"/exports/{export['id']}", better).status == 200
        server.succeeded(export)
        assert upstream.tokens() == {"onBehalfOf": 1}


def test_a_missing_consent_is_an_administrators_business(upstream, credential):
    with gateway(upstream, credential) as server:
        path = content(server, credential)
        upstream.rule("entra.token", {"kind": "consentRequired"}, match="on_behalf_of")
        before, another = upstream.token_calls(), caller(upstream)
        for _ in range(3):
            problem = server.call("GET", path, another).problem(403, "upstream-consent-required")
            assert "dministrator" in problem["detail"]
        assert upstream.token_calls() == before + 1


BAD = {
    "expired": {"lifetime": -600},
    "for somebody else": {"claims": {"aud": "https://graph.microsoft.com"}},
    "broken": {"signature": "broken"},
    "of an unknown key": {"signature": "unknownKey"},
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_user_token_is_asked_for_again(upstream, credential, kind):
    with gateway(upstream, credential) as server:
        path = content(server, credential)
        answer = server.call("GET", path, caller(upstream, **BAD[kind]))
        assert answer.json["code"] == "upstream-authorization-required", answer.body
        assert answer.status in (401, 403)
        assert upstream.tokens() == {"onBehalfOf": 1}


def test_an_application_is_no_user(upstream, credential):
    with gateway(upstream, credential) as server:
        path = content(server, credential)
        answer = server.call("GET", path, caller(upstream, kind="application"))
        assert answer.json["code"] == "upstream-authorization-required", answer.body
        assert answer.json["upstream"]["code"] == "AADSTS7000114"
        assert "Only a user's token can be exchanged" in answer.json["detail"]
        assert upstream.tokens() == {"onBehalfOf": 1}


REFUSALS = {
    "401": {"kind": "status", "status": 401, "body": "Token does not contain valid scope or role"},
    "a sign-in page": {"kind": "htmlSignIn"},
    "the way to one": {"kind": "status", "status": 302, "headers": {"Location": "https://login.microsoftonline.com/x"}},
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_download_says_what_it_needs(upstream, credential, kind):
    """A good token of a user who lacks a role: another one of the same user's would not help."""
    with gateway(upstream, credential) as server:
        path = succeeded(server, credential, bodies.search_result())["files"][0]["href"]
        upstream.rule("download.proxy", REFUSALS[kind])
        for headers in [credential.headers, {}]:
            problem = server.call("GET", path, headers).problem(403, "upstream-authorization-required")
            assert "eDiscovery.Download.Read" in problem["detail"], problem
            assert "Upstream-Authorization" in problem["detail"], problem
            assert problem["upstream"]["status"] == REFUSALS[kind].get("status", 200), problem
        # The role was granted.
        upstream.remove_rules()
        assert server.call("GET", path).status == 200


def test_a_right_that_is_missing_is_told_and_not_asked_for_again(upstream, credential):
    """The token is good, and sending it again and again changes nothing; the export waits for another."""
    with gateway(upstream, credential) as server:
        said = {"code": "Unauthorized", "message": "The user has no role in this case"}
        fault = {
            "kind": "status",
            "status": 401,
            "headers": {"Content-Type": "application/json", "request-id": "of-the-refusal"},
            "body": json.dumps({"error": said}),
        }
        upstream.rule("security.start", fault)
        export = server.call("POST", "/exports", credential.headers, bodies.search_result()).json
        waiting = server.watch(export, until=lambda export: export.get("tracking") == "onRequest")
        notice = waiting["notice"]
        assert notice["code"] == "upstream-authorization-required"
        assert notice["upstream"] == said | {"status": 401, "requestId": "of-the-refusal"}, notice
        assert "refused the credentials" in notice["detail"] and "Upstream-Authorization" in notice["detail"], notice

        before = upstream.account()["counts"]
        for _ in range(4):
            again = server.call("GET", f"/exports/{export['id']}", credential.headers | {"Cache-Control": "no-cache"})
            assert again.json == waiting
        assert upstream.account()["counts"] == before
        upstream.remove_rules()
        assert server.call("GET", f"/exports/{export['id']}", caller(upstream)).json["tracking"] == "background"
        server.succeeded(export)
        assert len(upstream.jobs()) == 1


def test_check_tries_the_applications_own_credential(upstream, credential):
    result = check("check", upstream, credential)
    assert result.returncode == 0, result
    assert "the application's own credential is good" in result.stdout
    assert "Not checked, because there is no user" in result.stdout
    assert upstream.tokens() == {"certificate": 1}


def test_check_tells_a_missing_permission_from_a_refused_credential(upstream, credential, tmp_path):
    upstream.rule("entra.token", {"kind": "consentRequired"}, times=1)
    permitted = check("permission", upstream, credential)
    assert permitted.returncode == 0, permitted
    assert "the application's own credential is good" in permitted.stdout and "consent" in permitted.stdout
    unregistered(credential, upstream, tmp_path)
    refused = check("refused", upstream, credential)
    assert refused.returncode == 1, refused
    assert "AADSTS700027" in refused.stdout and "not registered" in refused.stdout
    assert upstream.tokens() == {}
