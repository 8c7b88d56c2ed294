"""python dlt_exports.py ADDRESS DATABASE: loads the records of all exports into DuckDB; the caller's key is in EXPORT_GATEWAY_KEY.

A run loads what was created since seven days before the newest record of the last run, and replaces records that it has: an
export that was running then is found again.
"""

import os
import sys

import dlt
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from dlt.sources.rest_api import rest_api_source


def exports(address: str, limit: int = 200):
    """The source: `limit` exports are on a page."""
    return rest_api_source(
        {
            "client": {
                "base_url": address,
                "auth": {"type": "bearer", "token": os.environ["EXPORT_GATEWAY_KEY"]},
                # The end is where `nextCursor` is missing; a page may be empty before that.
                "paginator": JSONResponseCursorPaginator(cursor_path="nextCursor", cursor_param="cursor"),
            },
            "resources": [
                {
                    "name": "exports",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {
                        "path": "exports",
                        "params": {"limit": limit},
                        "data_selector": "value",
                        "incremental": {
                            "cursor_path": "createdAt",
                            "start_param": "createdAfter",
                            "initial_value": "2020-01-01T00:00:00Z",
                            "lag": 7 * 86_400,
                        },
                    },
                }
            ],
        },
        name="export_gateway",
    )


def load(address: str, database: str, **options):
    """Runs the pipeline, whose state is kept in the database too."""
    destination = dlt.destinations.duckdb(database)
    pipeline = dlt.pipeline("export_gateway", destination=destination, dataset_name="export_gateway")
    return pipeline.run(exports(address, **options))


if __name__ == "__main__":
    print(load(*sys.argv[1:]))
