"""What REDbot finds on one address: run as a program of its own, because its event loop is one for the process.

    redbot_notes.py ADDRESS [NAME VALUE]...      the pairs are the request's fields

Prints the notes on the answer and on those to REDbot's further requests (ranges, validation, gzip) as JSON.
"""

import json
import sys
from configparser import ConfigParser

import thor
from redbot.resource import HttpResource
from redbot.resource.active_check.range import RangeRequest

modify_request_headers = RangeRequest.modify_request_headers


def from_all_that_was_read(self, headers):
    """REDbot takes the part to ask for from one read of the body, and where that was a short one, expects a byte too few."""
    read = b"".join(block for _, block in self.base.response_content_sample)
    self.base.response_content_sample = [(0, read)]
    return modify_request_headers(self, headers)


RangeRequest.modify_request_headers = from_all_that_was_read


def with_children(notes):
    for note in notes:
        yield note
        yield from with_children(note.subnotes)


def main(address: str, *fields: str) -> None:
    parser = ConfigParser()
    parser.read_dict({"redbot": {"enable_local_access": "True"}})
    resource = HttpResource(parser["redbot"])
    resource.set_request(address, headers=list(zip(fields[::2], fields[1::2], strict=True)))
    thor.events.on(resource, "check_done")(thor.stop)
    resource.check()
    thor.run()
    answers = {"answer": resource} | resource.subreqs
    found = [
        {"of": name, "note": type(note).__name__, "level": note.level.value, "summary": str(note.summary)}
        for name, answer in answers.items()
        for note in with_children(answer.response.notes)
    ]
    status = {name: answer.response.status_code for name, answer in answers.items()}
    error = {name: answer.fetch_error.desc for name, answer in answers.items() if answer.fetch_error}
    json.dump({"status": status, "notes": found, "errors": error}, sys.stdout)


main(*sys.argv[1:])
