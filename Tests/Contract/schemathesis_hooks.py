"""What Schemathesis is told beside the document; `contract.py` names this file to it."""

import schemathesis


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """`/openapi.yaml` is a text, whose bytes clients want: `contract.check_served` compares those.

    Schemathesis parses every YAML and holds what is written in it against the type of the text.
    """
    # A schema of events would be held against each of them. The generators have none but that of the text.
    del raw_schema["components"]["responses"]["EventStream"]["content"]["text/event-stream"]["schema"]
    del raw_schema["paths"]["/openapi.yaml"]["get"]["responses"]["200"]["content"]["application/yaml"]["schema"]
