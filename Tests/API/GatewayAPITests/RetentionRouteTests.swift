import CallerIdentity
import Exports
import HTTPFields
import HTTPTypes
import JSON
import NIOCore
import Synchronization
import Testing

@testable import GatewayAPI

/// `DELETE /exports/{id}?purge=true`, `PUT` and `DELETE /exports/{id}/retain`, and what is said of a purged export.
@Suite struct RetentionRouteTests {
    private func ended(_ gateway: TestGateway, by owner: String = "tests") -> Export {
        gateway.service.put(.failed) { export in
            export.createdBy = owner
            export.completedAt = export.createdAt
        }
    }

    @Test func aPurgedExportIsGone() async throws {
        let gateway = TestGateway()
        let export = ended(gateway)
        let answer = try await gateway.call(.delete, "/exports/\(export.id)?purge=true")
        #expect(answer.status == 204 && answer.body.isEmpty)
        for (method, path) in [
            (HTTPRequest.Method.get, ""), (.get, "/operation"), (.get, "/files"), (.get, "/deliveries"),
            (.get, "/content"),
            (.get, "/events"), (.delete, ""), (.delete, "?purge=true"), (.put, "/retain"), (.delete, "/retain"),
        ] {
            let gone = try await gateway.call(method, "/exports/\(export.id)\(path)")
            #expect(gone.status == 410 && gone.code == "export-purged", "\(method) \(path): \(gone.body)")
            let purged = gone.json["purged"]
            #expect(purged?["id"]?.string == "\(export.id)" && purged?["status"]?.string == "failed")
            #expect(purged?["completedAt"]?.string == export.completedAt?.description)
            #expect(purged?["purgedAt"]?.string != nil && purged?["provider"]?.string == "power-bi")
            #expect(purged?["createdBy"] == nil)
        }
        let list = try await gateway.call(.get, "/exports")
        #expect(list.json["value"]?.array?.isEmpty == true)
    }

    @Test(arguments: PurgeObstacle.allCases) func anObstacleIsNamed(_ obstacle: PurgeObstacle) async throws {
        let gateway = TestGateway()
        let export = ended(gateway)
        gateway.service.state.withLock { $0.obstacle = obstacle }
        let answer = try await gateway.call(.delete, "/exports/\(export.id)?purge=true")
        #expect(answer.status == 409 && answer.code == "not-purgeable")
        #expect(answer.json["obstacle"]?.string == obstacle.rawValue)
        #expect(gateway.service.state.withLock { $0.exports[export.id] } == export)
    }

    @Test func whatIsNotAskedForIsNotDone() async throws {
        let gateway = TestGateway()
        let export = ended(gateway)
        #expect(try await gateway.call(.delete, "/exports/\(export.id)?purge=false").status == 200)
        for query in ["?purge", "?purge=", "?purge=yes", "?purge=TRUE", "?purge=true&purge=true", "?purged=true"] {
            let answer = try await gateway.call(.delete, "/exports/\(export.id)\(query)")
            #expect(answer.status == 400 && answer.code == "invalid-parameter", "\(query)")
        }
        #expect(gateway.service.state.withLock { $0.effects } == ["canceled"])
        #expect(gateway.service.state.withLock { $0.exports[export.id] } == export)
    }

    @Test func anExportIsKeptUntilItIsReleased() async throws {
        let gateway = TestGateway()
        let export = ended(gateway)
        #expect(try await gateway.call(.get, "/exports/\(export.id)").json["retained"] == nil)
        let kept = try await gateway.call(.put, "/exports/\(export.id)/retain")
        #expect(kept.status == 200 && kept.json["retained"] == .bool(true) && kept.headers[.eTag] != nil)
        let again = try await gateway.call(.put, "/exports/\(export.id)/retain")
        #expect(again.body == kept.body && again.headers[.eTag] == kept.headers[.eTag])
        let refused = try await gateway.call(.delete, "/exports/\(export.id)?purge=true")
        #expect(refused.json["obstacle"]?.string == "retained")
        let released = try await gateway.call(.delete, "/exports/\(export.id)/retain")
        #expect(released.status == 200 && released.json["retained"] == nil)
        #expect(try await gateway.call(.delete, "/exports/\(export.id)?purge=true").status == 204)
    }

    /// Each needs its own permission, and nothing else gives it.
    @Test func nobodyMayWhoWasNotAllowedTo() async throws {
        let gateway = TestGateway { $0.apiKeys = Visitor.keys }
        let export = ended(gateway, by: "owner")
        for (name, purge, retain) in [
            ("owner", 403, 403), ("auditor", 403, 403), ("resolving-auditor", 403, 403), ("purger", 404, 403),
            ("retaining-auditor", 403, 200),
        ] {
            let own: HTTPFields = [.authorization: "Bearer key-of-\(name)"]
            let purged = try await gateway.call(.delete, "/exports/\(export.id)?purge=true", headers: own)
            #expect(purged.status == purge, "\(name)")
            if purge == 403 { #expect(purged.json["permission"]?.string == "Exports.Purge") }
            let retained = try await gateway.call(.put, "/exports/\(export.id)/retain", headers: own)
            #expect(retained.status == retain, "\(name)")
            if retain == 403 { #expect(retained.json["permission"]?.string == "Exports.Retain") }
        }
        // To purge is not to cancel.
        let purger: HTTPFields = [.authorization: "Bearer key-of-purger"]
        let canceled = try await gateway.call(.delete, "/exports/\(export.id)", headers: purger)
        #expect(canceled.json["permission"]?.string == "Exports.Cancel")
        #expect(Permissions.ownExports.allow(.purge) == false && Permissions.ownExports.allow(.retain) == false)
    }

    @Test func aKeyOfAPurgedExportCreatesNoOther() async throws {
        let gateway = TestGateway()
        let headers: HTTPFields = [.idempotencyKey: "\"k\""]
        let first = try await gateway.create(CreateExportTests.body, headers: headers)
        let id = try #require(first.json["id"]?.string.flatMap { ExportID($0) })
        gateway.service.change(id) { export in
            export.status = .failed
            export.completedAt = export.createdAt
        }
        #expect(try await gateway.call(.delete, "/exports/\(id)?purge=true").status == 204)
        let again = try await gateway.create(CreateExportTests.body, headers: headers)
        #expect(again.status == 410 && again.code == "export-purged")
        #expect(gateway.service.state.withLock { $0.exports.isEmpty })
    }

    @Test func aPurgeIsToldWhereTheFilterFits() async throws {
        let gateway = TestGateway()
        let export = ended(gateway)
        gateway.service.state.withLock { $0.purge(export, at: export.createdAt) }
        let changes = try await gateway.service.changes(after: 0, limit: 9).changes
        let tombstone = try #require(gateway.service.state.withLock { $0.tombstones[export.id] })
        let purge = try #require(changes.last)
        let frame = EventFrame(purge, purging: tombstone)
        let text = String(buffer: frame.text)
        #expect(text.hasPrefix("event: purged\nid: 2\ndata: {\"id\":\"\(export.id)\",\"provider\":\"power-bi\""))
        #expect(text.contains("\"status\":\"failed\"") && frame.end == nil)
        #expect(String(buffer: frame.unplaced).hasPrefix("event: purged\ndata: {"))
        var filter = ExportFilter()
        filter.connection = "contoso"
        #expect(EventScope.exports(filter).takes(purge, of: tombstone))
        filter.provider = ProviderID("intune")
        #expect(!EventScope.exports(filter).takes(purge, of: tombstone))
    }
}
