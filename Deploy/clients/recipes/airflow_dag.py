"""An export each night, for Airflow 3: created, waited for without a worker, and saved once its digest is right.

Needs a connection `export_gateway` of the kind HTTP: host with scheme, and the caller's key as password.
"""

import hashlib
import time
from datetime import datetime, timedelta
from urllib.parse import urljoin

import requests
from airflow.sdk import BaseHook, PokeReturnValue, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

OPTIONS = {"groupId": "f089354e-8366-4e18-aea3-4cb4a3a50b48", "reportId": "c0ffee00-2222-4333-8444-555566667777", "format": "CSV"}


def call(method: str, address: str, **options) -> requests.Response:
    """One request. A refusal fails the task; what may pass later (429, 5xx) is tried again as the task's `retries` say."""
    connection = BaseHook.get_connection("export_gateway")
    headers = {"Authorization": f"Bearer {connection.password}"} | options.pop("headers", {})
    answer = requests.request(method, urljoin(connection.host + "/", address), headers=headers, timeout=90, **options)
    if 400 <= answer.status_code < 500 and answer.status_code not in (408, 409, 429):
        raise AirflowFailException(answer.text)
    answer.raise_for_status()
    return answer


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False, default_args={"retries": 3})
def nightly_ledger():
    @task
    def create() -> str:
        # The same key for each attempt of this run: an attempt whose answer was lost starts nothing twice.
        key = {"Idempotency-Key": hashlib.sha256(get_current_context()["run_id"].encode()).hexdigest()}
        return call("POST", "exports", json={"provider": "power-bi", "powerBI": OPTIONS}, headers=key).json()["id"]

    # `reschedule` keeps no worker waiting. With `Prefer: wait` the answer comes when something changes, so that few are needed.
    @task.sensor(poke_interval=60, timeout=timedelta(hours=12).total_seconds(), mode="reschedule")
    def wait(id: str) -> PokeReturnValue:
        export = call("GET", f"exports/{id}", headers={"Prefer": "wait=30"}).json()
        if "completedAt" in export and export["status"] != "succeeded":
            raise AirflowFailException(f"{export['status']}: {export['error']['code']}, {export['error']['detail']}")
        return PokeReturnValue(is_done="completedAt" in export, xcom_value=export["id"])

    @task
    def download(id: str) -> str:
        path, digest = f"/tmp/{id}.csv", hashlib.sha256()
        with call("GET", f"exports/{id}/content", stream=True) as answer, open(path, "wb") as file:
            for block in answer.iter_content(1 << 20):
                digest.update(block)
                file.write(block)
        request, delivery = {"requestId": answer.headers["X-Request-Id"]}, {"outcome": "underWay"}
        while delivery["outcome"] == "underWay":
            time.sleep(1)
            (delivery,) = call("GET", f"exports/{id}/deliveries", params=request).json()["value"]
        if delivery.get("sha256") != digest.hexdigest():
            raise ValueError(f"not the whole file: {delivery}")
        return path

    download(wait(create()))


nightly_ledger()
