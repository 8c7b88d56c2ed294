import HTTPFields
import Exports
import HTTPTypes
import ManualClock
import NIOCore
import Synchronization
import Testing

@testable import GatewayAPI

@Suite struct ReadyAnswerTests {
    private func put(_ gateway: TestGateway) -> Export {
        gateway.service.state.withLock { $0.keepsSnapshots = true }
        return gateway.service.put(.running) { export in
            // What stands before the time, and looks like it.
            export.name = "\"observedAt\":\"2026-05-28T20:26:40.000Z\""
            export.observedAt = Timestamp(milliseconds: 1_780_000_000_000)
            export.files = [ExportFile(id: "1", name: "observedAt")]
        }
    }

    @Test func whatIsInMemoryIsAnsweredAsWhatIsRead() async throws {
        let (ready, read) = (TestGateway(), TestGateway())
        let export = put(ready)
        read.service.state.withLock { $0.exports[export.id] = export }
        let tag = EntityTag(of: export).field
        for path in ["", "/operation"] {
            for headers: HTTPFields in [[:], [.ifNoneMatch: tag], [.ifNoneMatch: "\"other\""], [.prefer: "wait=0"]] {
                for method: HTTPRequest.Method in [.get, .head] {
                    var answers: [Answer] = []
                    for gateway in [ready, read] {
                        var headers = headers
                        headers[.requestID] = "id-1"
                        answers.append(try await gateway.call(method, "/exports/\(export.id)\(path)", headers: headers))
                    }
                    #expect(answers[0].status == answers[1].status)
                    #expect(answers[0].body == answers[1].body)
                    #expect(
                        answers[0].headers.filter { $0.name != .date } == answers[1].headers.filter { $0.name != .date }
                    )
                }
            }
        }
        // The one was never asked for it.
        #expect(ready.service.state.withLock { $0.viewers.isEmpty })
        #expect(read.service.state.withLock { $0.viewers.count } == 16)
    }

    @Test func newerWordIsNotHadFromWhatIsInMemory() async throws {
        let gateway = TestGateway()
        let export = put(gateway)
        _ = try await gateway.call(.get, "/exports/\(export.id)", headers: [.cacheControl: "no-cache"])
        _ = try await gateway.call(.get, "/exports/\(export.id)", headers: [.upstreamAuthorization: "Bearer x"])
        #expect(gateway.service.state.withLock { $0.viewers.count } == 2)
    }

    @Test func aPatchedAnswerIsTheOneThatIsEncodedAnew() {
        let gateway = TestGateway()
        let export = put(gateway)
        let times: [Int64?] = [1_780_000_000_001, nil, 0, -1, 4_000_000_000_000, 400_000_000_000_000]
        for document: ReadyAnswer.Document in [.export(base: nil), .export(base: "https://x"), .operation] {
            var earlier: ReadyAnswer?
            for time in times + times.reversed() {
                var export = export
                export.observedAt = time.map { Timestamp(milliseconds: $0) }
                let patched = ReadyAnswer(to: document, about: export, retryAfter: 5, after: earlier)
                let fresh = ReadyAnswer(to: document, about: export, retryAfter: 5)
                #expect(String(buffer: patched.body) == String(buffer: fresh.body))
                #expect(patched.fields == fresh.fields)
                #expect(patched.fieldsOfUnchanged == fresh.fieldsOfUnchanged)
                earlier = patched
            }
        }
    }

    @Test(
        arguments: [
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-1000, "Wed, 31 Dec 1969 23:59:59 GMT"), (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_780_000_000_999, "Thu, 28 May 2026 20:26:40 GMT"),
        ] as [(Int64, String)]
    ) func dates(milliseconds: Int64, text: String) {
        let time = ManualTime(now: Timestamp(milliseconds: milliseconds))
        let field = DateField(time: time)
        #expect(field.value == text)
        #expect(field.value == text)
        time.advance(by: .seconds(86_400))
        #expect(field.value != text)
    }
}
