"""An export from its creation to its file, and three answers that are none, with the generated client `export_gateway`."""

import base64
import hashlib
import os
import sys
import time
from pathlib import Path
from uuid import uuid4

from export_gateway import ApiClient, Configuration, CreateExportRequest, ExportsApi, PowerBIOptions, Problem
from export_gateway.exceptions import ApiException

GROUP = "f089354e-8366-4e18-aea3-4cb4a3a50b48"
REPORT = "c0ffee00-2222-4333-8444-555566667777"


def client(address: str, key: str) -> ExportsApi:
    return ExportsApi(ApiClient(Configuration(host=address, access_token=key)))


def listed(exports: ExportsApi, id) -> bool:
    """Whether the export is in the list, whose end is where `next_cursor` is missing."""
    cursor = None
    while True:
        page = exports.list_exports(provider="power-bi", limit=20, cursor=cursor)
        if any(export.id == id for export in page.value):
            return True
        cursor = page.next_cursor
        if cursor is None:
            return False


def expected(exports: ExportsApi, id, headers) -> tuple[str, str]:
    """The SHA-256 that a download has to have: from its head where it was known then, else from the gateway's record of it."""
    if digest := headers.get("Unencoded-Digest"):
        return "header field", base64.b64decode(digest.removeprefix("sha-256=:").removesuffix(":")).hex()
    while True:
        delivery = exports.list_export_deliveries(id, request_id=headers["X-Request-Id"]).value[0]
        if delivery.outcome != "underWay":
            if delivery.outcome != "whole":
                raise ValueError(f"the download ended as {delivery.outcome}")
            return "delivery", delivery.sha256
        time.sleep(0.1)


def checked(exports: ExportsApi, id, answer) -> bytes:
    """The bytes of a download, which are those that the gateway sent."""
    source, wanted = expected(exports, id, answer.headers)
    found = hashlib.sha256(answer.data).hexdigest()
    if found != wanted:
        raise ValueError(f"the file has the SHA-256 {found}, not {wanted}")
    print(f"downloaded, checked by {source}: {found}")
    return answer.data


def problem(call) -> Problem:
    """The problem document that a call ends with."""
    try:
        call()
    except ApiException as error:
        return error.data
    raise AssertionError("it did not fail")


def main(address: str, file: str) -> None:
    key = os.environ["EXPORT_GATEWAY_KEY"]
    exports = client(address, key)
    report = PowerBIOptions(group_id=GROUP, report_id=REPORT, format="CSV")
    request = CreateExportRequest(provider="power-bi", name="Quarterly ledger", power_bi=report)
    export = exports.create_export(request, idempotency_key=str(uuid4()))
    print(f"created: {export.id}")
    while export.completed_at is None:
        # The answer is held back until something changes.
        export = exports.get_export(export.id, prefer="wait=30")
    print(f"ended {export.status}")
    assert listed(exports, export.id)
    print(f"listed: {export.id}")
    content = checked(exports, export.id, exports.download_export_file_with_http_info(export.id, export.files[0].id))
    Path(file).write_bytes(content)
    checked(exports, export.id, exports.download_export_content_with_http_info(export.id))

    missing = problem(lambda: exports.get_export(uuid4()))
    print(f"{missing.status} {missing.code}: {missing.request_id}")
    refused = problem(lambda: client(address, "another key").get_export(export.id))
    print(f"{refused.status} {refused.code}: {refused.request_id}")
    etag = exports.get_export_with_http_info(export.id).headers["ETag"]
    try:
        exports.get_export(export.id, if_none_match=etag)
    except ApiException as unchanged:
        print(unchanged.status)


main(*sys.argv[1:])
