#!/usr/bin/env bash
# LWP::UserAgent 6.68 (Debian 12, libwww-perl 6.68-1), which openapi-generator's Perl client is built on.
#
# A server announces `Content-Length: 80000`, sends 40,000 bytes and closes the connection; or it sends 40,000 bytes in chunks,
# without the last chunk, and closes. Both are incomplete (RFC 9112, 8), and curl ends with 18. Seen: to LWP both are a success.
# `is_success` is true, the content is half of the file, and nothing dies. Of the first, nothing in the response tells. Of the
# second, the client's own header field `X-Died` does, which programs do not read.
#
# Prints for each the status, whether it is a success, the bytes, and whether X-Died is there. Ends with 0 as long as that is so,
# else with 1. Needs Debian 12, apt-get, perl, python3 and curl; unpacks packages into a temporary folder and installs nothing.
set -euo pipefail

work=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
apt-get download -qq -o APT::Sandbox::User=root libwww-perl=6.68-1 libnet-http-perl libhttp-message-perl libhttp-date-perl \
    liburi-perl libtimedate-perl libio-html-perl libencode-locale-perl liblwp-mediatypes-perl libtry-tiny-perl libhtml-parser-perl \
    libhttp-negotiate-perl libfile-listing-perl libhttp-cookies-perl libclone-perl libregexp-ipv6-perl
for package in *.deb; do dpkg-deb -x "$package" root; done
export PERL5LIB=$work/root/usr/share/perl5:$work/root/usr/lib/x86_64-linux-gnu/perl5/5.36

python3 - "$work/port" <<'PYTHON' &
import socket, sys, threading

listener = socket.create_server(("127.0.0.1", 0))
half = b"%07d\n" * 5000 % tuple(range(5000))  # 40,000 bytes

def answer(connection):
    with connection:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        if b"/length" in request:
            connection.sendall(head + b"Content-Length: 80000\r\n\r\n" + half)
        else:
            connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(half) + half + b"\r\n")

with open(sys.argv[1], "w") as file:
    file.write(str(listener.getsockname()[1]))
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
PYTHON
until [ -s port ]; do sleep 0.05; done

cat >get.pl <<'PERL'
use strict; use warnings; use LWP::UserAgent;
my $answer = LWP::UserAgent->new->get($ARGV[0]);
printf "%d success=%d bytes=%d ", $answer->code, $answer->is_success, length $answer->content;
printf "X-Died=%d\n", defined $answer->header('X-Died');
PERL
for kind in length chunks; do
    status=0
    curl --silent --max-time 20 --output /dev/null "http://127.0.0.1:$(cat port)/$kind" || status=$?
    echo "$kind: curl ends with $status; LWP: $(perl get.pl "http://127.0.0.1:$(cat port)/$kind")"
done | tee seen
cmp -s - seen <<'SEEN' || { echo "this has changed" >&2; exit 1; }
length: curl ends with 18; LWP: 200 success=1 bytes=40000 X-Died=0
chunks: curl ends with 18; LWP: 200 success=1 bytes=40000 X-Died=1
SEEN
