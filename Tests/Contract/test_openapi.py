"""Every answer of the running gateway is as openapi.yaml says, whatever is asked."""

import contract


def test_the_document_is_valid_and_served(gateway):
    contract.check_document()
    contract.check_served(gateway.address)


def test_every_answer_is_as_documented(gateway, figure):
    status, requests = contract.run_schemathesis(gateway.address, gateway.key, max_examples=20, seed=None)
    figure(f"{requests} requests judged")
    assert status == 0, "see Schemathesis's findings above"
    assert requests > 500
