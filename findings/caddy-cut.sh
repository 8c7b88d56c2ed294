#!/usr/bin/env bash
# Caddy 2.6.2 (Debian 12, 2.6.2-5) as a reverse proxy.
#
# An origin announces `Content-Length: 80000`, sends 40,000 bytes and closes the connection. To a client that sends no
# Accept-Encoding, that is seen as it is: curl ends with 18. An origin that serves gzip where it is asked for it sends half
# of that in chunks, without the last chunk. Seen: Caddy asks for gzip although the client did not, unpacks what comes, logs
# that the response is incomplete, and ends its own answer with a last chunk: curl ends with 0 on less than half of the file.
# With `transport http { compression off }` it does not ask.
#
# Prints what curl ends with, without and with that setting. Ends with 0 as long as that is 0 and 18, else with 1.
# Needs Debian 12 (amd64), apt-get, python3 and curl; unpacks the package into a temporary folder and installs nothing.
set -euo pipefail

work=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
apt-get download -qq -o APT::Sandbox::User=root caddy=2.6.2-5
for package in *.deb; do dpkg-deb -x "$package" root; done
export HOME=$work XDG_CONFIG_HOME=$work XDG_DATA_HOME=$work

python3 - "$work/origin-port" <<'PYTHON' &
import socket, sys, threading, zlib

listener = socket.create_server(("127.0.0.1", 0))
content = b"".join(b"%07d\n" % number for number in range(10_000))  # 80,000 bytes

def answer(connection):
    with connection:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        if b"accept-encoding: gzip" in request.lower():
            coder = zlib.compressobj(wbits=31)
            half = coder.compress(content[:40_000]) + coder.flush(zlib.Z_SYNC_FLUSH)
            connection.sendall(head + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(half) + half + b"\r\n")
        else:
            connection.sendall(head + b"Content-Length: 80000\r\n\r\n" + content[:40_000])

with open(sys.argv[1], "w") as file:
    file.write(str(listener.getsockname()[1]))
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
PYTHON

free_port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
until [ -s origin-port ]; do sleep 0.05; done

seen=()
for transport in "" "transport http { compression off }"; do
    port=$(free_port)
    printf '{\n\tadmin off\n\tauto_https off\n}\nhttp://127.0.0.1:%s {\n\treverse_proxy 127.0.0.1:%s {\n\t\t%s\n\t}\n}\n' \
        "$port" "$(cat origin-port)" "$(sed 's/{ /{\n\t\t\t/; s/ }/\n\t\t}/' <<<"$transport")" >Caddyfile
    root/usr/bin/caddy run --adapter caddyfile --config Caddyfile >"caddy-$port.log" 2>&1 &
    curl --silent --retry 50 --retry-connrefused --retry-delay 0 --max-time 20 --output /dev/null "http://127.0.0.1:$port/" || true
    status=0
    curl --silent --max-time 20 --output body "http://127.0.0.1:$port/" || status=$?
    echo "${transport:-the default}: curl ends with $status, $(stat -c %s body) of 80000 bytes"
    seen+=("$status")
done
[ "${seen[*]}" = "0 18" ] || { echo "this has changed" >&2; exit 1; }
