import JSON
import NIOHTTP1
import Testing

@testable import GatewayClient

@Suite struct RetryStateTests {
    private static let passing = GatewayClientError.unreachable("x")

    @Test func pausesDoubleAndEnd() {
        var settings = ClientSettings()
        settings.retries = 4
        settings.longestPause = .seconds(3)
        var state = RetryState(settings)
        let pauses = (0..<6).map { _ in state.failed(Self.passing, jitter: 0) }
        #expect(pauses == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(3), nil, nil])
        state.progressed()
        #expect(state.failed(Self.passing, jitter: 0) == .milliseconds(500))
    }

    @Test func whatTheGatewayAsksForIsWaitedFor() {
        func refused(_ seconds: Int64) -> GatewayClientError {
            .refused(GatewayProblem(status: 503, body: [], requestID: nil, retryAfter: .seconds(seconds)))
        }
        var state = RetryState(ClientSettings())
        #expect(state.failed(refused(20), jitter: 0.9) == .seconds(20))
        #expect(state.failed(refused(301), jitter: 0) == nil)
    }

    @Test func whatDoesNotPassIsNotTriedAgain() {
        var state = RetryState(ClientSettings())
        for error: GatewayClientError in [
            .untrusted("x"), .unexpectedAnswer("x"), .fileWrong("x"),
            .refused(GatewayProblem(status: 401, body: [], requestID: nil, retryAfter: .seconds(1))),
            .refused(GatewayProblem(status: 500, body: [], requestID: nil, retryAfter: nil)),
        ] {
            #expect(state.failed(error, jitter: 0) == nil)
        }
    }
}

@Suite struct WaitStateTests {
    private let running = GatewayExport(ClientBench.running)
    private let ended = GatewayExport(ClientBench.ended)

    @Test func asksAtOnceWhereTheGatewayHoldsAnswersBack() throws {
        var state = WaitState()
        #expect(state.begin == .ask(after: .zero))
        let (running, ended) = (try #require(running), try #require(ended))
        // The first answer could not be held back.
        #expect(state.came(running, etag: "1", wasHeld: false, retryAfter: .seconds(5)) == .ask(after: .zero))
        #expect(state.unchanged(wasHeld: true, retryAfter: .seconds(5)) == .ask(after: .zero))
        #expect(state.came(running, etag: "2", wasHeld: true, retryAfter: .seconds(5)) == .ask(after: .zero))
        #expect(state.etag == "2")
        #expect(state.came(ended, etag: "3", wasHeld: true, retryAfter: nil) == .ended)
    }

    @Test func pausesWhereAnswersAreNotHeldBack() throws {
        let running = try #require(running)
        var state = WaitState(running, etag: "1")
        #expect(state.begin == .ask(after: .zero))
        #expect(state.unchanged(wasHeld: false, retryAfter: .seconds(7)) == .ask(after: .seconds(7)))
        #expect(state.unchanged(wasHeld: false, retryAfter: nil) == .ask(after: WaitState.usualPause))
        #expect(state.unchanged(wasHeld: false, retryAfter: .zero) == .ask(after: .seconds(1)))
        #expect(state.came(running, etag: "2", wasHeld: false, retryAfter: .seconds(3)) == .ask(after: .seconds(3)))
        // Something before the gateway removes versions.
        #expect(state.came(running, etag: nil, wasHeld: true, retryAfter: nil) == .ask(after: WaitState.usualPause))
    }

    @Test func anExportThatHasEndedIsNotAskedFor() throws {
        #expect(WaitState(ended, etag: "1").begin == .ended)
    }

    @Test func filesThatAreLateAreWaitedForWhereTheyAreWanted() throws {
        let late = try Self.ended(["tracking": "background"])
        #expect(WaitState(late, etag: "1").begin == .ended)
        var state = WaitState(late, etag: "1", wantsFiles: true)
        #expect(state.begin == .ask(after: .zero))
        #expect(state.came(late, etag: "2", wasHeld: false, retryAfter: .seconds(3)) == .ask(after: .seconds(3)))
        let listed = try Self.ended(["tracking": "background", "files": [["id": "1"]]])
        #expect(state.came(listed, etag: "3", wasHeld: true, retryAfter: nil) == .ended)
    }

    @Test(arguments: [
        [:], ["tracking": "background", "destination": "https://storage.example.com"],
        ["tracking": "background", "status": "unknown"],
    ])
    func filesThatWillNotComeAreNotWaitedFor(members: [String: JSONValue]) throws {
        #expect(WaitState(try Self.ended(members), etag: "1", wantsFiles: true).begin == .ended)
    }

    private static func ended(_ members: [String: JSONValue]) throws -> GatewayExport {
        let all = (ClientBench.ended.object ?? [:]).merging(members) { $1 }
        return try #require(GatewayExport(.object(all)))
    }
}

@Suite struct DeliveryVerdictTests {
    private static func row(_ outcome: String, bytes: Int64 = 10, sha256: String? = nil) -> JSONValue {
        var row: [String: JSONValue] = ["outcome": .string(outcome), "fileBytes": .integer(bytes)]
        row["sha256"] = sha256.map { .string($0) }
        return .object(row)
    }

    @Test(arguments: [
        ([row("whole", sha256: "a")], DeliveryVerdict.whole),
        ([row("whole", sha256: "b")], .other(expected: "b")),
        ([row("whole", bytes: 20, sha256: "b")], .broken),
        ([row("whole")], .unknown),
        ([row("broken")], .broken),
        ([row("abandoned")], .broken),
        ([row("underWay")], .underWay),
        ([row("later")], .unknown),
        ([], .unknown),
        ([row("whole", sha256: "a"), row("whole", sha256: "a")], .unknown),
    ])
    func says(rows: [JSONValue], verdict: DeliveryVerdict) {
        #expect(DeliveryVerdict(rows: rows, bytes: 10, sha256: "a") == verdict)
    }
}

@Suite struct DownloadHeadTests {
    private static let digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    private static let hexadecimal = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    @Test(arguments: ["Unencoded-Digest", "Repr-Digest"])
    func readsTheDigest(name: String) {
        #expect(DownloadHead(fields: [name: Self.digest]).sha256 == Self.hexadecimal)
        #expect(DownloadHead(fields: [name: "sha-512=:AAAA:, " + Self.digest]).sha256 == Self.hexadecimal)
        #expect(DownloadHead(fields: [name: "sha-256=:AAAA:"]).sha256 == nil)
    }

    @Test func onlyAStrongValidatorIsOne() {
        #expect(DownloadHead(fields: ["ETag": "\"a\""]).validator == "\"a\"")
        #expect(DownloadHead(fields: ["ETag": "W/\"a\""]).validator == nil)
        #expect(DownloadHead(fields: ["ETag": "a"]).validator == nil)
    }

    @Test(arguments: ["bytes */10", "bytes 5-4/10", "bytes 0-10/10", "items 0-1/2", "bytes 0-1/*", "", "bytes -1-2/3"])
    func whatIsNoPartIsNone(field: String) {
        #expect(DownloadHead(isPart: true, fields: ["Content-Range": field]).range == nil)
    }

    @Test func readsThePart() throws {
        let range = try #require(DownloadHead(isPart: true, fields: ["Content-Range": "bytes 5-9/10"]).range)
        #expect((range.first, range.last, range.total) == (5, 9, 10))
    }
}
