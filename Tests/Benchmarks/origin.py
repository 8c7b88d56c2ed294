"""Everything that the gateway calls, played by one nginx on a core of its own: it costs the same whoever asks it.

Tokens, the start of an export and its status are fixed answers; the files are sent from memory (tmpfs, `sendfile`), over
HTTP and over TLS with a certificate of an authority that is made on the spot.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from nginx import start_nginx
from processes import Server, free_port

_TYPES = {".csv": "text/csv", ".pdf": "application/pdf", ".pst": "application/vnd.ms-outlook"}


@dataclass
class Origin:
    server: Server
    http: str
    https: str
    authority: Path
    reports: dict[str, str]

    def file_path(self, name: str) -> str:
        """Where a file is: the same address for the gateway and for its peers."""
        return f"/v1.0/myorg/reports/{self.reports[name]}/exports/job/file"


def start(directory: Path, files: dict[str, Path], cores: str) -> Origin:
    """Serves `files`, by name, from `directory`'s nginx."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = _certificates(directory)
    http, https = free_port(), free_port()
    reports = {name: f"00000000-0000-4000-8000-{number:012}" for number, name in enumerate(files, 1)}
    locations = "".join(
        f"""
    location = /v1.0/myorg/reports/{reports[name]}/exports/job {{
      default_type application/json;
      return 200 '{{"id":"job","reportId":"{reports[name]}","status":"Succeeded","percentComplete":100,\
"reportName":"{name}","resourceFileExtension":"{path.suffix}","expirationTime":"2099-01-01T00:00:00Z"}}';
    }}
    location = /v1.0/myorg/reports/{reports[name]}/exports/job/file {{
      types {{ }}
      default_type {_TYPES.get(path.suffix, "application/octet-stream")};
      alias {path};
    }}"""
        for name, path in files.items()
    )
    server = start_nginx("origin", directory, cores, http, f"""  access_log off;
  sendfile on;
  sendfile_max_chunk 2m;
  tcp_nopush on;
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{http} backlog=1024;
    listen 127.0.0.1:{https} ssl backlog=1024;
    ssl_certificate {directory}/origin.pem;
    ssl_certificate_key {directory}/origin.key;
    ssl_protocols TLSv1.3;
    location ~ /oauth2/v2.0/token$ {{
      default_type application/json;
      return 200 '{{"token_type":"Bearer","expires_in":86399,"access_token":"benchmark"}}';
    }}
    location ~ ^/v1.0/myorg/reports/[^/]+/ExportTo$ {{
      default_type application/json;
      return 202 '{{"id":"job","status":"Running","percentComplete":0}}';
    }}{locations}
  }}""")
    return Origin(server, f"http://127.0.0.1:{http}", f"https://127.0.0.1:{https}", authority, reports)


def _certificates(directory: Path) -> Path:
    authority = directory / "authority.pem"
    if authority.exists():
        return authority

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "authority.key", "-out", "authority.part", "-days", "30",
            "-subj", "/CN=Benchmark authority")
    openssl("req", *key, "-keyout", "origin.key", "-out", "origin.csr", "-subj", "/CN=127.0.0.1")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "origin.csr", "-CA", "authority.part", "-CAkey", "authority.key", "-CAcreateserial",
            "-days", "30", "-extfile", "names", "-out", "origin.pem")
    (directory / "authority.part").rename(authority)
    return authority
