import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import HTTPListening

/// Behind a request that asks for another protocol, the next one is read.
@Suite struct RequestDecoderTests {
    private static let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"

    private static let upgrades = [
        "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        "GET /1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, upgrade\r\n\r\n",
        "POST /1 HTTP/1.1\r\nHost: a\r\nConnection: UPGRADE\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello",
        "POST /1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: TLS/1.2\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    ]

    /// The parts that come out of a decoder, as `METHOD target`, the body's bytes and `end`.
    private static func parts<Decoder: ByteToMessageDecoder>(
        of bytes: String,
        at cut: Int,
        by decoder: Decoder,
        _ watch: [any ChannelHandler] = []
    ) throws -> [String] where Decoder.InboundOut == HTTPServerRequestPart {
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandlers([ByteToMessageHandler(decoder)] + watch)
        let bytes = Array(bytes.utf8)
        for piece in [bytes[..<cut], bytes[cut...]] where !piece.isEmpty {
            try channel.writeInbound(ByteBuffer(bytes: piece))
        }
        var texts: [String] = []
        while let part = try channel.readInbound(as: HTTPServerRequestPart.self) {
            switch part {
            case .head(let head): texts.append("\(head.method.rawValue) \(head.uri)")
            case .body(let body): texts.append(String(buffer: body))
            case .end: texts.append("end")
            }
        }
        _ = try channel.finish(acceptAlreadyClosed: true)
        return texts
    }

    private static func ours(_ bytes: String, at cut: Int) throws -> [String] {
        let requests = UpgradeRequests()
        return try parts(
            of: bytes,
            at: cut,
            by: RequestDecoder(limits: .init(), requests: requests),
            [UpgradeWatch(requests: requests)]
        )
    }

    @Test("the next request is read wherever the bytes are cut", arguments: upgrades)
    func readsOn(_ upgrade: String) throws {
        let bytes = upgrade + upgrade + Self.next
        for cut in 0...bytes.utf8.count {
            let parts = try Self.ours(bytes, at: cut)
            #expect(parts.suffix(2) == ["GET /next", "end"], "cut at \(cut)")
            #expect(parts.count { $0 == "end" } == 3, "cut at \(cut)")
        }
    }

    /// NIO's decoder decides: it has stopped when the next request does not come out.
    @Test func whatStopsTheDecoderIsKnownExactly() throws {
        var random = SystemRandomNumberGenerator()
        let words = [
            "upgrade", "Upgrade", "UPGRADE", "upgrade", "upgrade ", " upgrade", "\tupgrade", "upgrade\t", "upgrad",
            "upgraded", "uupgrade", "upgrade upgrade", "@pgrade", "5pgrade", "\u{1f}upgrade", "\r\n upgrade", "\r\n\tx",
            "keep-alive", "keep", "c", "u", "up", "x", "ü", "HTTP2-Settings", " ", "  ", "\t", ",", ", ", " ,", ",,",
            "",
        ]
        let names = ["Connection", "connection", "CONNECTION", "Proxy-Connection", "Connections", "X"]
        let upgradeNames = ["Upgrade", "upgrade", "UPGRADE", "Upgrades"]
        var stops = 0
        for _ in 0..<5_000 {
            var lines = [
                "\(upgradeNames.randomElement(using: &random)!): \(["h2c", "", "a, b"].randomElement(using: &random)!)"
            ]
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let value = (0..<Int.random(in: 0...4, using: &random))
                    .map { _ in words.randomElement(using: &random)! }
                let separator = ["", ",", ", ", " ,\t"].randomElement(using: &random)!
                lines.append("\(names.randomElement(using: &random)!): \(value.joined(separator: separator))")
            }
            lines.shuffle(using: &random)
            let request = (["GET /1 HTTP/1.1", "Host: a"] + lines).joined(separator: "\r\n") + "\r\n\r\n"
            let bytes = request + Self.next
            guard let nios = try? Self.parts(of: bytes, at: 0, by: HTTPRequestDecoder()), nios.first == "GET /1" else {
                continue  // No request: nothing to be read behind it.
            }
            let hasStopped = nios.count == 2
            stops += hasStopped ? 1 : 0
            for cut in [0, request.utf8.count, Int.random(in: 0...bytes.utf8.count, using: &random)] {
                // Nil where it cannot be read.
                let parts = try? Self.ours(bytes, at: cut)
                #expect(parts == ["GET /1", "end", "GET /next", "end"], "\(request.debugDescription) cut at \(cut)")
            }
        }
        #expect(stops > 100)
    }
}
