"""Power BI's export jobs, played by one nginx with fixed answers: a report's id says what becomes of its jobs."""

import json
from dataclasses import dataclass
from pathlib import Path

from nginx import start_nginx
from processes import Server, free_port

SUCCEEDS = "00000000-0000-4000-8000-00000000000a"
FAILS = "00000000-0000-4000-8000-00000000000b"
RUNS = "00000000-0000-4000-8000-00000000000c"
#: Its jobs are as `Jobs.set_state` said last.
CHANGES = "00000000-0000-4000-8000-00000000000d"

_ENDED = '"percentComplete":100,"reportName":"Quarterly ledger","resourceFileExtension":".csv",' \
    '"expirationTime":"2099-01-01T00:00:00Z"'


@dataclass
class Jobs:
    """The running upstream. With a log, each poll is a line of it: seconds since 1970, and the address."""

    server: Server
    base: str
    log: Path
    _state: Path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    def set_state(self, status: str) -> None:
        """`Running` or `Succeeded`, for the jobs of `CHANGES` from now on."""
        told = json.loads(f"{{{_ENDED}}}") if status == "Succeeded" else {"percentComplete": 50}
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps({"id": "job", "status": status} | told))
        part.rename(self._state)


def start_jobs(directory: Path, cores: str, *, logs: bool = False) -> Jobs:
    """Tokens, starts and the status of jobs; every job has an id of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    log, state = directory / "polls.log", directory / "state.json"
    jobs = Jobs(None, f"http://127.0.0.1:{port}", log, state)
    jobs.set_state("Running")
    jobs.server = start_nginx("jobs", directory, cores, port, f"""  log_format poll '$msec $uri';
  access_log off;
  keepalive_requests 100000000;
  map $report $state {{
    default '"status":"Running","percentComplete":50';
    {SUCCEEDS} '"status":"Succeeded",{_ENDED}';
    {FAILS} '"status":"Failed","percentComplete":50';
  }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    default_type application/json;
    location ~ /oauth2/v2.0/token$ {{
      return 200 '{{"token_type":"Bearer","expires_in":86399,"access_token":"benchmark"}}';
    }}
    location ~ ^/v1.0/myorg/reports/[^/]+/ExportTo$ {{
      return 202 '{{"id":"$request_id","status":"Running","percentComplete":0}}';
    }}
    location ~ ^/v1.0/myorg/reports/{CHANGES}/exports/[^/]+$ {{
      alias {state};
    }}
    location ~ ^/v1.0/myorg/reports/(?<report>[^/]+)/exports/(?<job>[^/]+)$ {{
      {"access_log " + str(log) + " poll;" if logs else ""}
      return 200 '{{"id":"$job","reportId":"$report",$state}}';
    }}
  }}""")
    return jobs
