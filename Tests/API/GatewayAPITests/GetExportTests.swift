import HTTPFields
import Exports
import JSON
import ManualClock
import Synchronization
import HTTPTypes
import Testing

@testable import GatewayAPI

@Suite struct GetExportTests {
    @Test func anUnfinishedExportTellsWhatBringsItOn() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.running)
        #expect(try await gateway.call(.get, "/exports/\(export.id)").json["tracking"] == "background")
        gateway.service.change(export.id) { $0.tracking = .onRequest }
        #expect(try await gateway.call(.get, "/exports/\(export.id)").json["tracking"] == "onRequest")
        #expect(try await gateway.call(.get, "/exports").json["value"]?.array?.first?["tracking"] == "onRequest")
    }

    @Test func showsEverythingThatIsKnown() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.partiallySucceeded) { export in
            export.percentComplete = 130
            export.completedAt = Timestamp(milliseconds: 1_780_000_100_123)
            export.expiresAt = Timestamp(milliseconds: 1_780_086_400_000)
            export.observedAt = Timestamp(milliseconds: 1_780_000_100_999)
            export.stale = true
            export.files = [
                ExportFile(id: "1", name: "a \"b\"/\u{7}.csv", size: 12, contentType: "text/csv", sha256: "ab"),
                ExportFile(id: "2 x", name: "b"),
            ]
            export.destination = "https://contoso.blob.core.windows.net/exports"
            export.cancellation = .requested
            export.error = ExportFailure(
                .exportPartiallySucceeded,
                "Two items are missing.",
                upstream: UpstreamErrorInfo(status: 200, code: "5", message: "m", requestId: "r")
            )
            export.notice = ExportNotice(.upstreamThrottled, "Wait.")
            export.upstream = UpstreamState(id: "u", status: "Succeeded")
        }
        let answer = try await gateway.call(.get, "/exports/\(export.id)")
        #expect(answer.status == 200)
        #expect(answer.headers[.retryAfter] == nil)
        #expect(answer.headers[.vary] == "Authorization")
        #expect(
            answer.json == [
                "id": .string("\(export.id)"), "href": .string("\(export.id)"), "provider": "power-bi",
                "connection": "contoso", "name": "Sales", "status": "partiallySucceeded", "percentComplete": 100,
                "createdAt": "2026-05-28T20:26:40.000Z", "updatedAt": "2026-05-28T20:26:40.000Z",
                "completedAt": "2026-05-28T20:28:20.123Z", "expiresAt": "2026-05-29T20:26:40.000Z",
                "observedAt": "2026-05-28T20:28:20.999Z", "stale": true, "createdBy": "tests",
                "source": ["format": "PDF", "reportId": "5b218778-e7a5-4d73-8187-f10824047715"],
                "files": [
                    [
                        "id": "1", "name": "a \"b\"/\u{7}.csv", "size": 12, "sizeSource": "upstream",
                        "sizeState": "claimed", "contentType": "text/csv", "sha256": "ab",
                        "digestSource": "upstream", "digestState": "confirmed",
                        "href": .string("\(export.id)/files/1"),
                    ],
                    ["id": "2 x", "name": "b", "href": .string("\(export.id)/files/2%20x")],
                ],
                "destination": "https://contoso.blob.core.windows.net/exports", "cancellation": "requested",
                "error": [
                    "type": "urn:export-gateway:problem:export-partially-succeeded",
                    "title": "The export succeeded in part", "code": "export-partially-succeeded",
                    "detail": "Two items are missing.", "message": "Two items are missing.",
                    "upstream": ["status": 200, "code": "5", "message": "m", "requestId": "r"],
                ], "notice": ["code": "upstream-throttled", "detail": "Wait."],
                "upstream": ["id": "u", "status": "Succeeded"],
            ]
        )
    }

    @Test func saysWhenToComeBack() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.unknown)
        #expect(try await gateway.call(.get, "/exports/\(export.id)").headers[.retryAfter] == "3")
    }

    @Test func whatWasGivenUpIsNotAskedForAgain() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.unknown) {
            $0.error = ExportFailure(.submissionUnconfirmed, "It is not known.")
            $0.completedAt = $0.createdAt
        }
        let answer = try await gateway.call(.get, "/exports/\(export.id)", headers: [.prefer: "wait=30"])
        #expect(answer.status == 200)
        #expect(answer.headers[.retryAfter] == nil)
        let content = try await gateway.call(.get, "/exports/\(export.id)/content")
        #expect(content.code == "no-result")
        #expect(content.headers[.retryAfter] == nil)
    }

    @Test func knowsWhatTheClientHas() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put()
        let tag = try #require(try await gateway.call(.get, "/exports/\(export.id)").headers[.eTag])
        for field in [tag, "\"other\", \(tag)", String(tag.dropFirst(2)), "*"] {
            let answer = try await gateway.call(.get, "/exports/\(export.id)", headers: [.ifNoneMatch: field])
            #expect(answer.status == 304)
            #expect(answer.body.isEmpty)
            #expect(answer.headers[.eTag] == tag)
            #expect(answer.headers[.cacheControl] == "private, no-cache")
            #expect(answer.headers[.contentLength] == nil)
            #expect(answer.headers[.contentType] == nil)
        }
        gateway.service.change(export.id) { $0.percentComplete = 5 }
        let changed = try await gateway.call(.get, "/exports/\(export.id)", headers: [.ifNoneMatch: tag])
        #expect(changed.status == 200)
        #expect(changed.headers[.eTag] != tag)
        let long = try await gateway.call(
            .get,
            "/exports/\(export.id)",
            headers: [.ifNoneMatch: String(repeating: "x", count: 1025)]
        )
        #expect(long.status == 400)
    }

    @Test func asksTheUpstreamOnlyWhenTold() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put()
        _ = try await gateway.call(.get, "/exports/\(export.id)", headers: [.cacheControl: "max-age=0"])
        #expect(gateway.service.state.withLock { $0.refreshes } == 0)
        _ = try await gateway.call(
            .get,
            "/exports/\(export.id)",
            headers: [.cacheControl: "max-age=0, No-Cache", .upstreamAuthorization: "bearer tok"]
        )
        #expect(gateway.service.state.withLock { $0.refreshes } == 1)
        #expect(gateway.service.state.withLock { $0.viewers.last?.token?.reveal() } == "tok")
    }

    @Test(arguments: ["x", "01981f3e-7c1a-7b52-9d3e-0242ac12000", "01981f3e-7c1a-7b52-9d3e-0242ac120002", "%00"])
    func knowsNoOther(id: String) async throws {
        let answer = try await TestGateway().call(.get, "/exports/\(id)")
        #expect(answer.status == 404)
        #expect(answer.code == "not-found")
    }

    @Test func waitsForAChange() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        let export = gateway.service.put()
        async let answer = gateway.call(.get, "/exports/\(export.id)", headers: [.prefer: "respond-async, wait=600; x"])
        await time.deadlines(atLeast: 1)
        gateway.service.change(export.id) { $0.status = .succeeded }
        let changed = try await answer
        #expect(changed.status == 200)
        #expect(changed.json["status"]?.string == "succeeded")
        #expect(changed.headers[.preferenceApplied] == "wait=60")
        #expect(gateway.service.state.withLock { $0.waits } == [.seconds(60)])
    }

    @Test func doesNotWaitForWhatTheClientHasMissed() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put()
        let answer = try await gateway.call(
            .get,
            "/exports/\(export.id)",
            headers: [.prefer: "wait=5", .ifNoneMatch: "W/\"\(export.id).0\""]
        )
        #expect(answer.status == 200)
        #expect(answer.headers[.preferenceApplied] == "wait=5")
        let ended = gateway.service.put(.failed)
        #expect(try await gateway.call(.get, "/exports/\(ended.id)", headers: [.prefer: "wait=5"]).status == 200)
    }

    @Test func saysThatNothingChanged() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        let export = gateway.service.put()
        let tag = EntityTag(of: export).field
        async let answer = gateway.call(
            .get,
            "/exports/\(export.id)",
            headers: [.prefer: "wait=5", .ifNoneMatch: tag]
        )
        await time.deadlines(atLeast: 1)
        time.advance(by: .seconds(5))
        #expect(try await answer.status == 304)
    }

    @Test(arguments: ["wait", "wait=", "wait=x", "wait=-1", "wait=0", "other=5", "", "wait=1.5"])
    func ignoresPreferencesItDoesNotKnow(prefer: String) async throws {
        let gateway = TestGateway()
        let export = gateway.service.put()
        let answer = try await gateway.call(.get, "/exports/\(export.id)", headers: [.prefer: prefer])
        #expect(answer.status == 200)
    }

    @Test func cancels() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put()
        for _ in 1...2 {
            let answer = try await gateway.call(
                .delete,
                "/exports/\(export.id)",
                headers: [.upstreamAuthorization: "Bearer t"]
            )
            #expect(answer.status == 200)
            #expect(answer.json["status"]?.string == "canceled")
            #expect(answer.json["cancellation"]?.string == "unsupported")
            #expect(answer.headers[.retryAfter] == nil)
        }
        #expect(try await gateway.call(.delete, "/exports/x").status == 404)
    }
}
