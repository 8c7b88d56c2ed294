"""An export from its creation to its file, and three answers that are none, with the generated client `export_gateway`."""

import base64
import hashlib
import os
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import httpx
from export_gateway import AuthenticatedClient
from export_gateway.api.exports import (
    create_export,
    download_export_content,
    download_export_file,
    get_export,
    list_export_deliveries,
    list_exports,
)
from export_gateway.models import (
    CreateExportRequest,
    CreateExportRequestProvider,
    Export,
    ListExportsProvider,
    PowerBIOptions,
    PowerBIOptionsFormat,
    Problem,
)
from export_gateway.types import UNSET, Response

GROUP = UUID("f089354e-8366-4e18-aea3-4cb4a3a50b48")
REPORT = UUID("c0ffee00-2222-4333-8444-555566667777")


def connected(address: str, key: str) -> AuthenticatedClient:
    # The client's own limit is five seconds, which is less than an answer may be held back.
    return AuthenticatedClient(base_url=address, token=key, timeout=httpx.Timeout(60))


def succeeded(parsed):
    """What was asked for. A problem is returned as any other answer is, and nothing is raised."""
    if isinstance(parsed, Problem):
        raise RuntimeError(f"{parsed.status} {parsed.code}: {parsed.detail}")
    return parsed


def listed(client: AuthenticatedClient, id: UUID) -> bool:
    """Whether the export is in the list, whose end is where `next_cursor` is missing."""
    cursor = UNSET
    while True:
        page = succeeded(list_exports.sync(client=client, provider=ListExportsProvider.POWER_BI, limit=20, cursor=cursor))
        if any(export.id == id for export in page.value):
            return True
        cursor = page.next_cursor
        if cursor is UNSET:
            return False


def expected(client: AuthenticatedClient, id: UUID, answer: Response) -> tuple[str, str]:
    """The SHA-256 that a download has to have: from its head where it was known then, else from the gateway's record of it."""
    if digest := answer.headers.get("Unencoded-Digest"):
        return "header field", base64.b64decode(digest.removeprefix("sha-256=:").removesuffix(":")).hex()
    while True:
        request = answer.headers["X-Request-Id"]
        delivery = succeeded(list_export_deliveries.sync(id, client=client, request_id=request)).value[0]
        if delivery.outcome != "underWay":
            if delivery.outcome != "whole":
                raise ValueError(f"the download ended as {delivery.outcome}")
            return "delivery", delivery.sha256
        time.sleep(0.1)


def checked(client: AuthenticatedClient, id: UUID, answer: Response) -> bytes:
    """The bytes of a download, which are those that the gateway sent."""
    content = succeeded(answer.parsed).payload.read()
    source, wanted = expected(client, id, answer)
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise ValueError(f"the file has the SHA-256 {found}, not {wanted}")
    print(f"downloaded, checked by {source}: {found}")
    return content


def main(address: str, file: str) -> None:
    key = os.environ["EXPORT_GATEWAY_KEY"]
    client = connected(address, key)
    report = PowerBIOptions(group_id=GROUP, report_id=REPORT, format_=PowerBIOptionsFormat.CSV)
    request = CreateExportRequest(CreateExportRequestProvider.POWER_BI, name="Quarterly ledger", power_bi=report)
    export: Export = succeeded(create_export.sync(client=client, body=request, idempotency_key=str(uuid4())))
    print(f"created: {export.id}")
    while export.completed_at is UNSET:
        # The answer is held back until something changes.
        export = succeeded(get_export.sync(export.id, client=client, prefer="wait=30"))
    print(f"ended {export.status}")
    assert listed(client, export.id)
    print(f"listed: {export.id}")
    answer = download_export_file.sync_detailed(export.id, export.files[0].id, client=client)
    Path(file).write_bytes(checked(client, export.id, answer))
    checked(client, export.id, download_export_content.sync_detailed(export.id, client=client))

    missing = get_export.sync(uuid4(), client=client)
    assert isinstance(missing, Problem)
    print(f"{missing.status} {missing.code}: {missing.request_id}")
    refused = get_export.sync(export.id, client=connected(address, "another key"))
    assert isinstance(refused, Problem)
    print(f"{refused.status} {refused.code}: {refused.request_id}")
    etag = get_export.sync_detailed(export.id, client=client).headers["ETag"]
    unchanged = get_export.sync_detailed(export.id, client=client, if_none_match=etag)
    print(int(unchanged.status_code))


main(*sys.argv[1:])
