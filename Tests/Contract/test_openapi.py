"""Every answer of the running gateway is as openapi.yaml says, whatever is asked; and generators can read the document."""

import pytest
import yaml

import contract

DOCUMENT = yaml.safe_load(contract.DOCUMENT.read_text())


def test_the_document_is_valid_and_served(gateway):
    contract.check_document()
    contract.check_served(gateway.address)


@pytest.mark.long
def test_every_answer_is_as_documented(gateway, figure):
    status, requests = contract.run_schemathesis(gateway.address, gateway.key, max_examples=20, seed=None)
    figure(f"{requests} requests judged")
    assert status == 0, "see Schemathesis's findings above"
    assert requests > 500


def nodes(node, *place):
    """Every object of the document with the steps that lead to it."""
    if isinstance(node, dict):
        yield place, node
    for step, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else []:
        yield from nodes(value, *place, step)


def test_texts_can_stand_in_comments_of_generated_code():
    """`*/` ends a comment in Go, Java and C."""
    texts = [(place, node[key]) for place, node in nodes(DOCUMENT) for key in ("description", "summary", "title") if isinstance(node.get(key), str)]
    assert len(texts) > 300
    assert [place for place, text in texts if "*/" in text] == []


def test_each_way_to_authenticate_is_there_once():
    """Of two schemes with the same header field, generated clients fill in only one, or declare a member twice."""
    sent = [(scheme["type"], scheme.get("scheme"), scheme.get("in"), scheme.get("name")) for scheme in DOCUMENT["components"]["securitySchemes"].values()]
    assert len(sent) == len(set(sent))


def test_free_objects_are_named_and_have_a_member():
    """A nameless object of any members is a type that some generated clients cannot read."""
    objects = {place: node for place, node in nodes(DOCUMENT) if node.get("type") == "object" and "example" not in place}
    free = {place: node for place, node in objects.items() if not isinstance(node.get("additionalProperties"), dict)}
    assert [place for place, node in free.items() if not node.get("properties")] == []
    assert [place for place, node in free.items() if node.get("additionalProperties") is True and place[:-1] != ("components", "schemas")] == []
