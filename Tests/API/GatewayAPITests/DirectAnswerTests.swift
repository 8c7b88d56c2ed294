import CallerIdentity
import Exports
import Foundation
import InMemoryLogging
import InternetAddresses
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
                    settings.apiKeys.append(Self.key("elsewhere", Permissions([.create, .useConnection("fabrikam")])))
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
                        for server in [one, other] {
                            for draft in RequestDraft.known {
                                _ = try await server.connect { try await Self.answers(to: [draft], from: $0, []) }
                            }
                        }
                        let known = Set(exports.map(\.id.description))
                        for _ in 0..<250 {
                            let isCreation = draft.below(3) == 0
                            let batch =
                                isCreation
                                ? [draft.creation()] : (0..<(1 + draft.below(4))).map { _ in draft.next() }
                            var answers: [[String]] = []
                            for server in [one, other] {
                                answers.append(
                                    try await server.connect { try await Self.answers(to: batch, from: $0, known) }
                                )
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
                    let values = entry.metadata.map { "\($0.key)=\(Self.normal("\($0.value)", []))" }.sorted()
                    return "\(entry.level) \(values.joined(separator: " "))"
                }
        }
        #expect(lines[0].count > 300)
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

    /// - Parameter known: The ids of the exports that both servers know from the start.
    private static func answers(
        to batch: [RequestDraft.Draft],
        from client: RawClient,
        _ known: Set<String>
    ) async throws -> [String] {
        try await client.send(batch.map(\.text).joined())
        var answers: [String] = []
        for request in batch {
            let (head, body): (String, String)
            if request.isHead {
                (head, body) = (try await client.read(through: "\r\n\r\n"), "")
            } else {
                (head, body) = try await client.readAnswer()
            }
            // Whether an error ends the connection depends on how much of the body was read before it.
            let lines = head.split(separator: "\r\n")
                .filter { !request.isCreation || $0.lowercased() != "connection: close" }
            answers.append(
                lines.map { normal(String($0), known) }.joined(separator: "\n") + "\n" + normal(body, known)
            )
        }
        client.finish()
        // An answer to what is no request has a body, whatever was asked.
        answers.append(normal(try await client.readToEnd(), known))
        return answers
    }

    /// Without what is another one each time.
    private static func normal(_ line: String, _ known: Set<String>) -> String {
        if line.lowercased().hasPrefix("date: ") { return "date" }
        // Exports that both have created have other ids, and the earlier ones are known.
        let line = line.replacing(/019[0-9a-f]{5}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/) {
            known.contains(String($0.0)) ? String($0.0) : "id"
        }
        return line.replacing(/(?i)(x-request-id: |"requestId":"|^)[0-9a-f]{16}($|")/) { "\($0.1)*\($0.2)" }
    }
}
