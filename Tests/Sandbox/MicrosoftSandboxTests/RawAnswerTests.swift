import Exports
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import Testing

/// Answers that HTTP does not know.
@Suite struct RawAnswerTests {
    @Test(arguments: SandboxFraming.allCases)
    func headsThatTellTheLengthWrongly(framing: SandboxFraming) async throws {
        try await withLab { lab in
            let url = try await DownloadTests.content(lab)
            lab.sandbox.addRule(SandboxRule(operation: "goals.content", fault: .framing(framing)))
            let raw = try await RawExchange.get(url, token: GoalsTests.user, lab.addresses.api)
            let lines = raw.head.split(whereSeparator: \.isNewline).map { $0.lowercased() }
            let lengths = lines.filter { $0.hasPrefix("content-length:") }
            #expect(lines.first == "http/1.1 200 ok")
            #expect(lines.contains("content-type: text/csv"))
            #expect(lengths.first == "content-length: 65536")
            #expect(lengths.count == (framing == .lengthAndChunked ? 1 : 2))
            #expect(Set(lengths).count == (framing == .differentLengths ? 2 : 1))
            #expect(lines.contains("transfer-encoding: chunked") == (framing == .lengthAndChunked))
            let wrapping = framing == .lengthAndChunked ? "10000\r\n".utf8.count + "\r\n0\r\n\r\n".utf8.count : 0
            #expect(raw.body.readableBytes == 65_536 + wrapping)
        }
    }

    @Test func framingIsForEveryCall() async throws {
        try await withLab { lab in
            lab.sandbox.addRule(SandboxRule(operation: "goals.list", fault: .framing(.lengthTwice)))
            let raw = try await RawExchange.get(lab.goals, token: GoalsTests.user, lab.addresses.api)
            #expect(raw.head.lowercased().split(separator: "content-length:").count == 3)
            #expect(String(buffer: raw.body).hasPrefix("{"))
        }
    }

    @Test func bytesAsTheyStand() async throws {
        try await withLab { lab in
            let text = "HTTP/1.1 200 Fine\r\nX: 1\r\n\r\nhalf an ans"
            lab.sandbox.addRule(SandboxRule(operation: "goals.list", fault: .raw(text)))
            let raw = try await RawExchange.get(lab.goals, token: GoalsTests.user, lab.addresses.api)
            #expect(raw.head + String(buffer: raw.body) == text)
            lab.sandbox.addRule(SandboxRule(operation: "goals.start", fault: .raw(text, started: true)))
            _ = try? await lab.post(lab.goals, token: GoalsTests.user, GoalsTests.request)
            #expect(lab.sandbox.account.jobs.count == 1)
        }
    }
}
