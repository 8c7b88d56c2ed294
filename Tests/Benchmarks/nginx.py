"""nginx as everybody can start it: as root or not, with nothing outside the directory that it is given."""

import os
from pathlib import Path

from processes import Server


def start_nginx(name: str, directory: Path, cores: str, port: int, http: str, *, workers: int = 1) -> Server:
    """Starts nginx; `http` is what its block of that name holds, `port` one that it listens on."""
    configuration = directory / f"{name}.conf"
    # Started as root, nginx gives its workers another user, who may not enter the benchmarks' private directory.
    user = "user root;\n" if os.geteuid() == 0 else ""
    # Debian's defaults lie in /var/lib/nginx, which only root may write.
    places = "\n".join(f"  {kind}_temp_path {directory}/{name}-{kind};" for kind in
                       ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    configuration.write_text(f"""{user}worker_processes {workers};
daemon off;
pid {directory}/{name}.pid;
error_log {directory}/{name}-error.log;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
{places}
{http}
}}
""")
    return Server(["nginx", "-c", str(configuration)], cores, directory / f"{name}.log", port)
