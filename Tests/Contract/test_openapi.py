"""Every answer of the running gateway is as openapi.yaml says, whatever is asked; and generators can read the document."""

import jsonschema
import pytest
import yaml

import contract
import servers

DOCUMENT = yaml.safe_load(contract.DOCUMENT.read_text())


def test_the_document_is_valid_and_served(gateway):
    contract.check_document()
    contract.check_served(gateway.address)


@pytest.mark.long
def test_every_answer_is_as_documented(upstream, figure):
    # Schemathesis reads each answer to its end: streams of events have to have one.
    with servers.gateway(upstream, server={"events": {"heartbeat": "1s", "longestStream": "1s"}}) as gateway:
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
    objects = {place: node for place, node in nodes(DOCUMENT) if node.get("type") == "object" and not {"example", "examples"} & set(place)}
    free = {place: node for place, node in objects.items() if not isinstance(node.get("additionalProperties"), dict)}
    assert [place for place, node in free.items() if not node.get("properties")] == []
    assert [place for place, node in free.items() if node.get("additionalProperties") is True and place[:-1] != ("components", "schemas")] == []


def resolved(node):
    """What a reference in the document leads to."""
    while "$ref" in node:
        target = node["$ref"].removeprefix("#/").split("/")
        node = DOCUMENT
        for step in target:
            node = node[step]
    return node


def answers():
    """The operation, the status and the content of every answer in JSON."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items() if method != "parameters" else []:
                for kind, content in resolved(answer).get("content", {}).items():
                    if kind.endswith("json"):
                        yield f"{method} {path} {status}", content


def test_every_answer_has_an_example_that_is_valid():
    wrong, seen = [], 0
    for place, content in answers():
        examples = [content["example"]] if "example" in content else []
        examples += [resolved(example)["value"] for example in content.get("examples", {}).values()]
        validator = jsonschema.Draft202012Validator(content["schema"] | {"components": DOCUMENT["components"]})
        wrong += [place] if not examples else []
        wrong += [f"{place}: {error.message}" for example in examples for error in validator.iter_errors(example)]
        seen += len(examples)
    assert wrong == [] and seen > 100
