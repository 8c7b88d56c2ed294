import Exports
import TestSupport

/// Requests for exports in every spelling, most of them with something that not everybody sends.
struct RequestDraft {
    struct Draft: Sendable {
        var text: String
        var isHead: Bool
        /// An error may be answered before its body was read, or after it: then the connection ends, or goes on.
        var isCreation = false
    }

    var random: SeededRandom
    let exports: [Export]
    private var count = 0

    init(random: SeededRandom, exports: [Export]) {
        self.random = random
        self.exports = exports
    }

    mutating func below(_ bound: Int) -> Int { random.below(bound) }

    mutating func next() -> Draft {
        count += 1
        let export = random.of(exports)
        let id = export.id.description
        let method = random.of(["GET", "GET", "GET", "HEAD"])
        let target = random.of([
            "/exports/\(id)", "/exports/\(id)", "/exports/\(id)", "/exports/\(id)/operation",
            "/exports/\(id.uppercased())",
            "/exports/\(id)/", "/exports/\(id)?", "/exports/\(id)?x=1", "/exports/\(id)/files", "//exports/\(id)",
            "/exports/%30\(id.dropFirst())", "http://x/exports/\(id)", "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002",
            "/Exports/\(id)", "/exports/\(id)/Operation", "/livez",
        ])
        var lines = ["host: x"] + authorization()
        for _ in 0..<below(4) {
            lines.append(
                random.of([
                    "accept: */*", "accept: application/json", "accept: text/html", "accept: text/html, */*;q=0.1",
                    "accept: application/json;q=0", "Accept-Encoding: gzip, br", "user-agent: curl/8",
                    "connection: keep-alive",
                    "connection: Keep-Alive", "if-none-match: *", "if-none-match: \"x\"",
                    "if-none-match: W/\"\(id).1\"",
                    "if-none-match: W/\"\(id).2\", W/\"\(id).1\"", "x-request-id: id-\(count)",
                    "x-request-id: id \(count)",
                    "x-request-id:", "prefer: wait=0", "cache-control: no-cache", "cache-control: max-age=0",
                    "x-forwarded-proto: https", "x-forwarded-host: exports.contoso.com", "x-forwarded-prefix: /gateway",
                    "forwarded: for=1.2.3.4;host=exports.contoso.com;proto=https", "x-forwarded-for: 1.2.3.4",
                    "traceparent: 00-0-0-00", "x-custom: y", "cookie: a=b", "upstream-authorization: Bearer x",
                    "upstream-download-authorization: Bearer x", "content-length: 0", "range: bytes=0-1",
                    "authorization: Bearer key-of-owner",
                ])
            )
        }
        return Draft(
            text: "\(method) \(target) HTTP/1.1\r\n\(lines.joined(separator: "\r\n"))\r\n\r\n",
            isHead: method == "HEAD"
        )
    }

    private mutating func authorization() -> [String] {
        let credential = random.of([
            "owner", "owner", "owner", "other", "auditor", "powerless", "elsewhere", "wrong", "",
        ])
        guard !credential.isEmpty else { return [] }
        return ["authorization: \(random.of(["Bearer", "Bearer", "Bearer", "bearer", "Basic"])) key-of-\(credential)"]
    }

    /// Create requests with this key, which both servers get first, from each caller who may create: whoever repeats one gets its
    /// export, or an error where the body is another one.
    static let known = [("owner", body), ("other", body), ("elsewhere", elsewhere)]
        .map { caller, body in
            Draft(
                text: "POST /exports HTTP/1.1\r\nhost: x\r\nauthorization: Bearer key-of-\(caller)\r\n"
                    + "content-type: application/json\r\nidempotency-key: known\r\n"
                    + "content-length: \(body.utf8.count)\r\n\r\n" + body,
                isHead: false,
                isCreation: true
            )
        }
    private static let body = #"{"provider":"power-bi","connection":"contoso","powerBI":{"format":"PDF"}}"#
    private static let elsewhere = #"{"provider":"power-bi","connection":"fabrikam","powerBI":{}}"#

    /// A create request. It comes alone, because the connection may end after its answer.
    mutating func creation() -> Draft {
        count += 1
        let target = random.of([
            "/exports", "/exports", "/exports", "/exports", "/exports/", "/exports?", "/exports?x=1", "/Exports",
            "//exports",
        ])
        let body = random.of([
            Self.body, Self.body, Self.body, Self.elsewhere,
            #"{"provider":"power-bi","powerBI":{"a":[1,2,{"b":null}]},"name":"N"}"#,
            #"{"provider":"power-bi","powerBI":{},"vivaGoals":{}}"#, #"{"provider":"power-bi"}"#,
            #"{"provider":"none","none":{}}"#, "{", "[]", "", "\u{FEFF}{}",
            #"{"provider":"power-bi","powerBI":{},"name":"\#(String(repeating: "n", count: 300))"}"#,
            #"{"provider":"power-bi","powerBI":{"long":"\#(String(repeating: "n", count: 5000))"}}"#,
        ])
        var lines = ["host: x"] + authorization()
        lines += random.of([
            ["content-type: application/json"], ["content-type: application/json"], ["content-type: application/json"],
            ["Content-Type: application/json; charset=utf-8"], ["content-type: application/json; charset=latin1"],
            ["content-type: text/plain"], [], ["content-type: application/json", "content-type: application/json"],
        ])
        for _ in 0..<below(3) {
            lines.append(
                random.of([
                    "accept: application/json", "accept: text/html", "user-agent: curl/8", "idempotency-key: known",
                    "idempotency-key: known", "Idempotency-Key: \"known\"", "idempotency-key: a b",
                    "idempotency-key:", "x-request-id: id-\(count)", "prefer: respond-async", "prefer: wait=1",
                    "if-none-match: *", "x-forwarded-proto: https", "x-forwarded-host: exports.contoso.com",
                    "upstream-authorization: Bearer x", "content-encoding: identity", "content-encoding: gzip",
                    "connection: keep-alive", "cookie: a=b", "upstream-download-authorization: Bearer x",
                ])
            )
        }
        let isChunked = below(8) == 0
        lines.append(isChunked ? "transfer-encoding: chunked" : "content-length: \(body.utf8.count)")
        let chunks = body.isEmpty ? "0\r\n\r\n" : "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
        return Draft(
            text: "POST \(target) HTTP/1.1\r\n\(lines.joined(separator: "\r\n"))\r\n\r\n" + (isChunked ? chunks : body),
            isHead: false,
            isCreation: true
        )
    }
}
