# Varnish in front of Export Gateway. Checked with Varnish 7.1, which has no TLS: something else ends it in front.
# varnishd -a :80 -f varnish.vcl -p http_gzip_support=off -p http_req_hdr_len=32k -p http_req_size=96k
#   -p workspace_client=256k -p workspace_backend=256k
#
# http_gzip_support=off: Varnish would unpack and pack again. The sizes: a token may be longer than the defaults allow.
# HTTP/2 stays off, as it is by default: Varnish would end half a file like a whole one.
vcl 4.1;

backend gateway {
    .host = "127.0.0.1";
    .port = "8080";
    # Longer than the longest `Prefer: wait`.
    .first_byte_timeout = 120s;
    .between_bytes_timeout = 120s;
}

sub vcl_recv {
    # For the links in answers, where server.trustedProxies names this machine. What a client says of them ends here.
    set req.http.X-Forwarded-Host = req.http.Host;
    set req.http.X-Forwarded-Proto = "https";
    set req.http.X-Forwarded-For = client.ip;
    unset req.http.X-Forwarded-Prefix;
    unset req.http.Forwarded;
    # Nothing is kept: each caller sees its own.
    return (pass);
}
