"""python ten_lines.py ADDRESS FILE: an export as a file, whose digest is checked; the caller's key is in EXPORT_GATEWAY_KEY."""

import hashlib, os, pathlib, sys, time, urllib.parse, uuid, requests

options = {"groupId": "f089354e-8366-4e18-aea3-4cb4a3a50b48", "reportId": "c0ffee00-2222-4333-8444-555566667777", "format": "CSV"}
body, key = {"provider": "power-bi", "powerBI": options}, {"Idempotency-Key": str(uuid.uuid4())}
session = requests.Session()

session.headers["Authorization"] = f"Bearer {os.environ['EXPORT_GATEWAY_KEY']}"
session.hooks["response"] = lambda answer, **_: None if answer.ok else sys.exit(answer.text)
created = session.post(f"{sys.argv[1]}/exports", json=body, headers=key)
export = urllib.parse.urljoin(created.url, created.headers["Location"])
while "completedAt" not in session.get(export, headers={"Prefer": "wait=30"}).json(): time.sleep(1)
file = session.get(f"{export}/content")
deliveries = f"{export}/deliveries?requestId={file.headers['X-Request-Id']}"
while (row := session.get(deliveries).json()["value"][0])["outcome"] == "underWay": time.sleep(1)
if row.get("sha256") != hashlib.sha256(file.content).hexdigest(): sys.exit(row)
pathlib.Path(sys.argv[2]).write_bytes(file.content)
