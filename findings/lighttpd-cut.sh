#!/usr/bin/env bash
# lighttpd 1.4.69 (Debian 12, 1.4.69-1) as a reverse proxy (mod_proxy), with its defaults otherwise.
#
# An origin answers with `Transfer-Encoding: chunked`, sends 40,000 bytes, and closes the connection without the last chunk:
# an incomplete message (RFC 9112, 8), which must not be presented as a complete one. Seen: lighttpd answers its client with
# `Content-Length: 40000`, and curl ends with 0. So it does with `server.stream-response-body = 1` where all of that comes at
# once; where the origin waits for a second before it closes, lighttpd has passed the head on, and curl ends with 18.
#
# Prints what curl ends with: default, streaming at once, streaming with the second between. Ends with 0 as long as that is
# 0, 0 and 18, else with 1.
# Needs Debian 12 (amd64), apt-get, python3 and curl; unpacks the package into a temporary folder and installs nothing.
set -euo pipefail

work=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
packages=(lighttpd=1.4.69-1 libnettle8 libpcre2-8-0 libxxhash0 libcrypt1)
apt-get download -qq -o APT::Sandbox::User=root "${packages[@]}"
for package in *.deb; do dpkg-deb -x "$package" root; done
export LD_LIBRARY_PATH=$work/root/usr/lib/x86_64-linux-gnu:$work/root/lib/x86_64-linux-gnu

python3 - "$work/origin-port" <<'PYTHON' &
import socket, sys, threading, time

listener = socket.create_server(("127.0.0.1", 0))

def answer(connection):
    with connection:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        # 9c40 is 40,000. The file would go on; the end of the message, `0` and an empty line, never comes.
        connection.sendall(head + b"9c40\r\n" + b"x" * 40_000 + b"\r\n")
        if request.startswith(b"GET /later "):
            time.sleep(1)

with open(sys.argv[1], "w") as file:
    file.write(str(listener.getsockname()[1]))
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
PYTHON

free_port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
until [ -s origin-port ]; do sleep 0.05; done

seen=()
for test in "0 at-once" "1 at-once" "1 later"; do
    read -r stream path <<<"$test"
    port=$(free_port)
    cat >"lighttpd-$port.conf" <<CONFIGURATION
server.modules = ("mod_proxy")
server.document-root = "$work"
server.upload-dirs = ("$work")
server.bind = "127.0.0.1"
server.port = $port
server.stream-response-body = $stream
proxy.server = ("" => (("host" => "127.0.0.1", "port" => $(cat origin-port))))
CONFIGURATION
    root/usr/sbin/lighttpd -D -m root/usr/lib/lighttpd -f "lighttpd-$port.conf" 2>"lighttpd-$port.log" &
    curl --silent --retry 50 --retry-connrefused --retry-delay 0 --max-time 20 --output /dev/null "http://127.0.0.1:$port/at-once" || true
    status=0
    curl --silent --max-time 20 --dump-header head --output body "http://127.0.0.1:$port/$path" || status=$?
    length=$(grep -i '^content-length' head | tr -d '\r' || echo "no Content-Length")
    echo "server.stream-response-body = $stream, closed $path: curl ends with $status, $(stat -c %s body) bytes, $length"
    seen+=("$status")
done
[ "${seen[*]}" = "0 0 18" ] || { echo "this has changed" >&2; exit 1; }
