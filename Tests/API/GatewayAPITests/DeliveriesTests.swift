import Exports
import HTTPTypes
import JSON
import ManualClock
import Testing

@testable import GatewayAPI

@Suite struct DeliveriesTests {
    /// A delivery of an export, a moment after the one before.
    private func deliver(
        _ gateway: TestGateway,
        _ export: Export,
        _ time: ManualTime,
        _ change: (inout Delivery) -> Void = { _ in }
    ) async -> Delivery {
        time.advance(by: .milliseconds(2))
        var random = SystemRandomNumberGenerator()
        var delivery = Delivery(
            id: ExportID(at: time.now(), random: &random),
            exportID: export.id,
            fileID: "1",
            caller: "reporting",
            requestID: "r-1",
            startedAt: time.now(),
            endedAt: time.now() + .milliseconds(1500),
            coding: "identity",
            outcome: .whole
        )
        change(&delivery)
        await gateway.service.record(delivery)
        return delivery
    }

    @Test func showsEveryFieldAndNoneThatIsNotThere() async throws {
        let time = ManualTime(now: Timestamp(milliseconds: 1_780_000_000_000))
        let gateway = TestGateway(time: time)
        let export = gateway.service.put(.succeeded)
        let least = await deliver(gateway, export, time) { $0.fileID = nil }
        let full = await deliver(gateway, export, time) {
            $0.kind = .measurement
            $0.coding = "gzip"
            $0.rangeFirst = 3
            $0.rangeLast = 9
            $0.bytesSent = 5_000_000_000
            $0.fileBytes = 7
            $0.sha256 = String(repeating: "0a", count: 32)
            $0.resumptions = 2
            $0.outcome = .broken
            $0.reason = "upstream-broken"
        }
        let begun = await deliver(gateway, export, time) {
            $0.endedAt = nil
            $0.outcome = .underWay
        }
        let answer = try await gateway.call(.get, "/exports/\(export.id)/deliveries")
        #expect(answer.status == 200)
        #expect(answer.headers[.contentType] == "application/json")
        #expect(answer.headers[.cacheControl] == "no-store")
        func ended(_ delivery: Delivery) -> String { delivery.endedAt?.description ?? "" }
        let expected: JSONValue = [
            "value": [
                [
                    "id": .string("\(least.id)"), "kind": "delivery", "caller": "reporting", "requestId": "r-1",
                    "startedAt": .string("\(least.startedAt)"), "endedAt": .string("\(ended(least))"),
                    "coding": "identity", "bytesSent": 0, "fileBytes": 0, "resumptions": 0, "outcome": "whole",
                ],
                [
                    "id": .string("\(full.id)"), "kind": "measurement", "fileId": "1", "caller": "reporting",
                    "requestId": "r-1",
                    "startedAt": .string("\(full.startedAt)"), "endedAt": .string("\(ended(full))"),
                    "coding": "gzip", "rangeFirst": 3, "rangeLast": 9, "bytesSent": 5_000_000_000, "fileBytes": 7,
                    "sha256": .string(String(repeating: "0a", count: 32)), "resumptions": 2, "outcome": "broken",
                    "reason": "upstream-broken",
                ],
                [
                    "id": .string("\(begun.id)"), "kind": "delivery", "fileId": "1", "caller": "reporting",
                    "requestId": "r-1", "startedAt": .string("\(begun.startedAt)"), "coding": "identity",
                    "bytesSent": 0, "fileBytes": 0, "resumptions": 0, "outcome": "underWay",
                ],
            ]
        ]
        #expect(answer.json == expected)
    }

    @Test func pagesOldestFirst() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        let export = gateway.service.put(.succeeded)
        var ids: [String] = []
        for _ in 1...5 { ids.append("\(await deliver(gateway, export, time).id)") }
        _ = await deliver(gateway, gateway.service.put(.succeeded), time)
        var seen: [String] = []
        var target = "/exports/\(export.id)/deliveries?limit=2"
        for page in 1...3 {
            let answer = try await gateway.call(.get, target)
            seen += (answer.json["value"]?.array ?? []).compactMap { $0["id"]?.string }
            let cursor = answer.json["nextCursor"]?.string
            #expect((cursor == nil) == (page == 3))
            target = "/exports/\(export.id)/deliveries?limit=2&cursor=\(cursor ?? "")"
        }
        #expect(seen == ids)
        for _ in 1...60 { _ = await deliver(gateway, export, time) }
        let standard = try await gateway.call(.get, "/exports/\(export.id)/deliveries")
        #expect(standard.json["value"]?.array?.count == 50)
    }

    @Test func oneRequestsOutcomeCanBeAsked() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        let export = gateway.service.put(.succeeded)
        _ = await deliver(gateway, export, time)
        var wanted: [String] = []
        for _ in 1...3 { wanted.append("\(await deliver(gateway, export, time) { $0.requestID = "mine.1_A-b" }.id)") }
        let target = "/exports/\(export.id)/deliveries?requestId=mine.1_A-b&limit=2"
        let first = try await gateway.call(.get, target)
        let cursor = try #require(first.json["nextCursor"]?.string)
        let second = try await gateway.call(.get, target + "&cursor=\(cursor)")
        let seen = [first, second].flatMap { ($0.json["value"]?.array ?? []).compactMap { $0["id"]?.string } }
        #expect(seen == wanted)
        #expect(second.json["nextCursor"] == nil)
        let none = try await gateway.call(.get, "/exports/\(export.id)/deliveries?requestId=another")
        #expect(none.body == "{\"value\":[]}")
        // A cursor is for its own list.
        let strange = try await gateway.call(.get, "/exports/\(export.id)/deliveries?cursor=\(cursor)")
        #expect(strange.code == "invalid-parameter")
    }

    @Test func anExportWithoutDeliveriesHasAnEmptyPage() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put()
        #expect(try await gateway.call(.get, "/exports/\(export.id)/deliveries").body == "{\"value\":[]}")
    }

    @Test func aCursorIsForItsExport() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        let (export, other) = (gateway.service.put(.succeeded), gateway.service.put(.succeeded))
        for _ in 1...2 { _ = await deliver(gateway, export, time) }
        let first = try await gateway.call(.get, "/exports/\(export.id)/deliveries?limit=1")
        let cursor = try #require(first.json["nextCursor"]?.string)
        let exports = try await gateway.call(.get, "/exports?limit=1").json["nextCursor"]?.string ?? ""
        for target in [
            "/exports/\(other.id)/deliveries?cursor=\(cursor)", "/exports?cursor=\(cursor)",
            "/exports/\(export.id)/deliveries?cursor=\(exports)", "/exports/\(export.id)/deliveries?cursor=",
            "/exports/\(export.id)/deliveries?limit=0", "/exports/\(export.id)/deliveries?limit=201",
            "/exports/\(export.id)/deliveries?outcome=whole", "/exports/\(export.id)/deliveries?requestId=",
            "/exports/\(export.id)/deliveries?requestId=a%20b",
            "/exports/\(export.id)/deliveries?requestId=" + String(repeating: "a", count: 65),
        ] {
            let answer = try await gateway.call(.get, target)
            #expect(answer.status == 400)
            #expect(answer.code == "invalid-parameter")
        }
    }

    @Test func refusals() async throws {
        let gateway = TestGateway()
        let unknown = try await gateway.call(.get, "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002/deliveries")
        #expect(unknown.status == 404)
        #expect(unknown.code == "not-found")
        let post = try await gateway.call(.post, "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002/deliveries")
        #expect(post.status == 405)
        let (locked, _) = TestGateway.locked()
        let unauthenticated = try await locked.call(.get, "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002/deliveries")
        #expect(unauthenticated.status == 401)
    }

    @Test func aFileTellsWhoseDigestItHas() async throws {
        let gateway = TestGateway()
        let digest = String(repeating: "0a", count: 32)
        let export = gateway.service.put(.succeeded) {
            var learned = ExportFile(id: "2", name: "b", size: 1)
            learned.sha256 = digest
            learned.digestSource = .gateway
            $0.files = [ExportFile(id: "1", name: "a", sha256: digest), learned, ExportFile(id: "3", name: "c")]
        }
        let files = try await gateway.call(.get, "/exports/\(export.id)").json["files"]?.array ?? []
        #expect(files.map { $0["digestSource"]?.string } == ["upstream", "gateway", nil])
        #expect(files.map { $0["sha256"]?.string } == [digest, digest, nil])
    }
}
