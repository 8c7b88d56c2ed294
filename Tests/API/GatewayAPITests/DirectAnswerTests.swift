import CallerIdentity
import Exports
import Foundation
import InMemoryLogging
import Logging
import ManualClock
import Synchronization
import SystemCrypto
import Telemetry
import Testing
import TestSupport

@testable import GatewayAPI

/// The same requests to two servers, one that answers on its event loops and one that does not.
@Suite(.timeLimit(.minutes(5))) struct DirectAnswerTests {
    @Test func bothWaysAnswerTheSame() async throws {
        let seed = Self.seed
        let loopback = try IPRange("127.0.0.0/8")
        let service = FakeExportService(time: ManualTime())
        service.state.withLock { $0.keepsSnapshots = true }
        let logs = [InMemoryLogHandler(), InMemoryLogHandler()]
        let gateways = [true, false]
            .enumerated()
            .map { index, direct in
                let log = logs[index]
                return TestGateway(service: service, logger: Logger(label: "tests") { _ in log }) { settings in
                    settings.directAnswers = direct
                    settings.trustedProxies = [loopback]
                    settings.apiKeys = ["owner", "other"].map { Self.key($0, .ownExports) }
                    settings.apiKeys.append(Self.key("auditor", Permissions([.readAll])))
                    settings.apiKeys.append(Self.key("powerless", Permissions([])))
                }
            }
        let exports = [ExportStatus.running, .succeeded, .failed, .unknown]
            .map { status in
                service.put(status) { export in
                    export.createdBy = "owner"
                    export.files = (0..<3).map { ExportFile(id: "\($0)", name: "a.csv") }
                }
            }
        let isDifferent = Mutex(false)
        try await gateways[0]
            .live { one in
                try await gateways[1]
                    .live { other in
                        var draft = RequestDraft(random: SeededRandom(seed: seed), exports: exports)
                        for _ in 0..<250 {
                            let batch = (0..<(1 + draft.below(4))).map { _ in draft.next() }
                            var answers: [[String]] = []
                            for server in [one, other] {
                                answers.append(try await server.connect { try await Self.answers(to: batch, from: $0) })
                            }
                            #expect(answers[0] == answers[1], "seed \(seed): \(batch.map(\.text))")
                            if answers[0] != answers[1] { return isDifferent.withLock { $0 = true } }
                            if draft.below(3) == 0 { service.change(draft.random.of(exports).id) { $0.name += "." } }
                        }
                    }
            }
        guard !isDifferent.withLock({ $0 }) else { return }
        let lines = logs.map { log in
            log.entries.filter { "\($0.message)" == "request" }
                .map { entry in
                    let values = entry.metadata.map { "\($0.key)=\(Self.normal("\($0.value)"))" }.sorted()
                    return "\(entry.level) \(values.joined(separator: " "))"
                }
        }
        #expect(lines[0].count > 500)
        #expect(lines[0] == lines[1], "seed \(seed)")
        let figures = gateways.map { gateway in
            gateway.registry.text().split(separator: "\n").filter { $0.hasPrefix("http_server") }
        }
        #expect(figures[0] == figures[1], "seed \(seed)")
    }

    @Test(arguments: [true, false]) func halfAConnectionGetsItsWholeAnswer(isInMemory: Bool) async throws {
        let service = FakeExportService(time: SystemTime())
        service.state.withLock { $0.keepsSnapshots = isInMemory }
        let export = service.put(.succeeded) { export in
            export.files = (0..<100).map { ExportFile(id: "\($0)", name: String(repeating: "n", count: 400)) }
        }
        let gateway = TestGateway(time: SystemTime(), service: service)
        try await gateway.live { server in
            for _ in 0..<20 {
                try await server.connect { client in
                    try await client.send("GET /exports/\(export.id) HTTP/1.1\r\nhost: x\r\n\r\n")
                    client.finish()
                    let all = try await client.readToEnd()
                    #expect(all.hasPrefix("HTTP/1.1 200 OK\r\n"))
                    #expect(all.hasSuffix("}"))
                    let length = all.lowercased().firstMatch(of: /content-length: ([0-9]+)/).flatMap { Int($0.1) }
                    #expect(all.split(separator: "\r\n\r\n", maxSplits: 1).last?.utf8.count == length)
                }
            }
        }
    }

    /// Given by `EXPORT_GATEWAY_SEED`, else another one each time.
    private static let seed =
        ProcessInfo.processInfo.environment["EXPORT_GATEWAY_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...(1 << 48))

    private static func key(_ id: String, _ permissions: Permissions) -> APIKey {
        APIKey(id: id, sha256: SHA256.hash(Array("key-of-\(id)".utf8)), permissions: permissions)
    }

    private static func answers(to batch: [RequestDraft.Draft], from client: RawClient) async throws -> [String] {
        try await client.send(batch.map(\.text).joined())
        var answers: [String] = []
        for request in batch {
            let (head, body): (String, String)
            if request.isHead {
                (head, body) = (try await client.read(through: "\r\n\r\n"), "")
            } else {
                (head, body) = try await client.readAnswer()
            }
            answers.append(
                head.split(separator: "\r\n").map { normal(String($0)) }.joined(separator: "\n") + "\n" + normal(body)
            )
        }
        client.finish()
        // An answer to what is no request has a body, whatever was asked.
        answers.append(normal(try await client.readToEnd()))
        return answers
    }

    /// Without what is another one each time.
    private static func normal(_ line: String) -> String {
        if line.lowercased().hasPrefix("date: ") { return "date" }
        return line.replacing(/(?i)(x-request-id: |"requestId":"|^)[0-9a-f]{16}($|")/) { "\($0.1)*\($0.2)" }
    }
}

/// Requests for exports in every spelling, most of them with something that not everybody sends.
private struct RequestDraft {
    struct Draft: Sendable {
        var text: String
        var isHead: Bool
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
        var lines = ["host: x"]
        let credential = random.of(["owner", "owner", "owner", "other", "auditor", "powerless", "wrong", ""])
        if !credential.isEmpty {
            lines.append(
                "authorization: \(random.of(["Bearer", "Bearer", "Bearer", "bearer", "Basic"])) key-of-\(credential)"
            )
        }
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
}
