"""A status handler as one writes it with FastAPI: a key checked, an export found in a dictionary, its entity tag compared.

Started by `peers.fastapi`; STATUS_ANSWER is the file with the export's JSON, STATUS_KEYS one with callers by key.
"""

import json
import os
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Response

KEYS = json.loads(Path(os.environ["STATUS_KEYS"]).read_text())
_export = json.loads(Path(os.environ["STATUS_ANSWER"]).read_text())
EXPORTS = {_export["id"]: (os.environ["STATUS_TAG"], _export)}

app = FastAPI()


async def caller(authorization: Annotated[str, Header()] = "") -> str:
    scheme, _, key = authorization.partition(" ")
    if scheme != "Bearer" or key not in KEYS:
        raise HTTPException(401)
    return KEYS[key]


@app.get("/exports/{export_id}")
async def status(export_id: str, response: Response, caller: Annotated[str, Depends(caller)],
                 if_none_match: Annotated[str | None, Header()] = None):
    tag, export = EXPORTS.get(export_id, (None, None))
    if export is None or export["createdBy"] != caller:
        raise HTTPException(404)
    if if_none_match == tag:
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return export
