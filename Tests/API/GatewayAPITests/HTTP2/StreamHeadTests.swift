import HTTPTypes
import NIOCore
import Testing

@testable import GatewayAPI

/// Heads of streams of HTTP/2, and how a connection of it is told from one of HTTP/1.1.
@Suite struct StreamHeadTests {
    private static let host = HTTPField.Name("Host")!
    private let limits = RequestLimits(maxTargetBytes: 8192, maxHeaderBytes: 65_536, maxHeaderFields: 8)

    private func request(
        _ authority: String?,
        hosts: [String] = [],
        scheme: String? = "https",
        method: HTTPRequest.Method = .get
    ) -> HTTPRequest {
        var request = HTTPRequest(method: method, scheme: scheme, authority: authority, path: "/exports")
        request.headerFields[values: Self.host] = hosts
        return request
    }

    @Test func theHostIsInOnePlace() {
        for (authority, hosts) in [("gateway:8080", []), (nil, ["gateway:8080"]), ("gateway:8080", ["GATEWAY:8080"])]
            as [(String?, [String])]
        {
            var request = request(authority, hosts: hosts)
            let refusal = StreamHead.refusal(of: &request, limits)
            #expect(refusal == nil)
            #expect(request.authority == "gateway:8080")
            #expect(!request.headerFields.contains(Self.host))
        }
    }

    @Test func aHostThatIsMissingOrContradictedIsRefused() {
        let cases: [(String?, [String])] = [
            (nil, []), ("", []), (nil, [""]), ("a", ["b"]), ("a", ["a", "a"]), (nil, ["a", "b"]), ("user@a", []),
            ("a/b", []), ("a b", []), ("a,b", []),
        ]
        for (authority, hosts) in cases {
            var request = request(authority, hosts: hosts)
            let refusal = StreamHead.refusal(of: &request, limits)
            #expect(refusal == .malformedHead, "\(authority ?? "nil") \(hosts)")
        }
    }

    @Test func theSchemeIsHTTP() {
        for (scheme, method, refusal) in [
            ("http", .get, nil), ("https", .get, nil), ("ftp", .get, .malformedHead), (nil, .get, .malformedHead),
            (nil, .connect, nil),
        ] as [(String?, HTTPRequest.Method, Exchange.Failure?)] {
            var request = request("a", scheme: scheme, method: method)
            let seen = StreamHead.refusal(of: &request, limits)
            #expect(seen == refusal)
        }
    }

    @Test func moreFieldsThanMayBeAreRefused() {
        var request = request("a")
        for number in 0..<8 { request.headerFields[HTTPField.Name("x-\(number)")!] = "1" }
        let within = StreamHead.refusal(of: &request, limits)
        #expect(within == nil)
        request.headerFields[HTTPField.Name("x-8")!] = "1"
        let beyond = StreamHead.refusal(of: &request, limits)
        #expect(beyond == .headerTooLarge)
    }

    @Test func anAnswerHasNoFieldOfAConnection() {
        var response = HTTPResponse(
            status: .ok,
            headerFields: [
                .connection: "close", .transferEncoding: "chunked", .upgrade: "HTTP/1.1", .contentLength: "1",
                HTTPField.Name("Keep-Alive")!: "timeout=1", HTTPField.Name("Proxy-Connection")!: "close",
            ]
        )
        StreamHead.clean(&response)
        #expect(response.headerFields == [.contentLength: "1"])
    }

    @Test func theFirstBytesTellTheProtocol() {
        let opening = Opening()
        for count in 0..<Opening.preface.count {
            #expect(opening.decision(ByteBuffer(bytes: Opening.preface[..<count])) == nil)
        }
        #expect(opening.decision(ByteBuffer(bytes: Opening.preface)) == true)
        #expect(opening.decision(ByteBuffer(bytes: Opening.preface + [0, 0, 0, 4])) == true)
        for other in [
            "G", "POST / HTTP/1.1\r\n", "PRI * HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r ", "\u{16}\u{3}",
        ] {
            #expect(opening.decision(ByteBuffer(string: other)) == false, "\(other)")
        }
    }
}
