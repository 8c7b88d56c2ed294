import Audit
import CallerIdentity
import Exports
import HTTPTypes
import InternetAddresses
import JSON
import NIOCore
import Synchronization
import SystemCrypto
import Testing

@testable import GatewayAPI

/// `GET /audit`, and what the API itself tells the audit trail.
@Suite struct AuditRouteTests {
    /// A gateway with a caller who may do everything.
    private func gateway(_ audit: FakeAuditService?) -> TestGateway {
        TestGateway(audit: audit) { settings in
            settings.apiKeys = [
                APIKey(id: "reader", sha256: SHA256.hash(Array("reader".utf8)), permissions: .everything)
            ]
        }
    }

    private func get(_ gateway: TestGateway, _ path: String, accept: String? = nil) async throws -> Answer {
        var headers: HTTPFields = [.authorization: "Bearer reader"]
        headers[.accept] = accept
        return try await gateway.call(.get, path, headers: headers)
    }

    private func sequences(_ answer: Answer) -> [Int64] {
        answer.json["value"]?.array?.compactMap { $0["sequence"]?.integer } ?? []
    }

    @Test func pagesFollowOneAnother() async throws {
        let audit = FakeAuditService()
        audit.fill(5)
        let gateway = gateway(audit)
        let first = try await get(gateway, "/audit?limit=2")
        #expect(first.status == 200 && sequences(first) == [5, 4])
        #expect(first.headers[.cacheControl] == "no-store" && first.headers[.vary] == "Accept, Authorization")
        let cursor = try #require(first.json["nextCursor"]?.string)
        let second = try await get(gateway, "/audit?limit=3&cursor=\(cursor)")
        #expect(sequences(second) == [3, 2, 1] && second.json["nextCursor"] == nil)
        // A cursor is of one list and one form.
        #expect(try await get(gateway, "/audit?action=deny&cursor=\(cursor)").status == 400)
        let lines = try await get(gateway, "/audit?cursor=\(cursor)", accept: "application/x-ndjson")
        #expect(lines.status == 400)
    }

    @Test func filters() async throws {
        let audit = FakeAuditService()
        audit.fill(6)
        let gateway = gateway(audit)
        #expect(sequences(try await get(gateway, "/audit?action=deny")) == [6, 4, 2])
        #expect(sequences(try await get(gateway, "/audit?caller=caller%201")) == [4, 1])
        let times = "from=2026-05-28T20:26:42Z&to=2026-05-28T20:26:44Z"
        #expect(sequences(try await get(gateway, "/audit?\(times)")) == [3, 2])
        for query in ["action=nothing", "exportId=1", "from=yesterday", "limit=0", "limit=201", "status=failed"] {
            let answer = try await get(gateway, "/audit?\(query)")
            #expect(answer.status == 400 && answer.code == "invalid-parameter", "\(query)")
        }
    }

    @Test func linesAreAPieceOfTheChain() async throws {
        let audit = FakeAuditService()
        audit.fill(5)
        let gateway = gateway(audit)
        let accept = "application/x-ndjson;q=0.5, text/plain"
        var (path, found) = (String?("/audit?caller=caller%201&limit=1"), [AuditRow]())
        while let next = path {
            let answer = try await get(gateway, next, accept: accept)
            #expect(answer.status == 200 && answer.headers[.contentType] == "application/x-ndjson")
            found += answer.body.split(separator: "\n").compactMap { AuditRow(line: $0.utf8) }
            let link = answer.headers[HTTPField.Name("Link")!]
            path = link.map { "/audit" + $0.dropFirst().prefix { $0 != ">" } }
            if let link { #expect(link.hasPrefix("<?caller=caller%201&limit=1&cursor=")) }
        }
        #expect(found == audit.state.withLock { $0.rows }.filter { $0.entry.caller == "caller 1" })
        #expect(try await get(gateway, "/audit", accept: "text/csv").status == 406)
        #expect(try await get(gateway, "/audit?limit=1001", accept: accept).status == 400)
    }

    @Test func aLineStandsForARowThatCannotBeRead() async throws {
        let audit = FakeAuditService()
        audit.fill(5)
        audit.state.withLock { $0.unreadable = [3, 5] }
        let gateway = gateway(audit)
        let answer = try await get(gateway, "/audit", accept: "application/x-ndjson")
        let lines = answer.body.split(separator: "\n")
        #expect(lines.map { AuditRow(line: $0.utf8)?.sequence } == [1, 2, nil, 4, nil])
        #expect(lines.map { AuditRow.sequence(unreadable: $0.utf8) } == [nil, nil, 3, nil, 5])
        #expect(lines.last == #"{"sequence":5,"unreadable":true}"#)
    }

    @Test func withoutATrailThereIsNone() async throws {
        let answer = try await get(gateway(nil), "/audit")
        #expect(answer.status == 404 && answer.code == "not-found")
    }

    @Test func itTakesAPermissionOfItsOwn() async throws {
        let audit = FakeAuditService()
        let others = Permission.names.compactMap { Permission($0) }.filter { $0 != .readAudit }
        let gateway = TestGateway(audit: audit) { settings in
            settings.apiKeys = [
                APIKey(id: "others", sha256: SHA256.hash(Array("others".utf8)), permissions: Permissions(others)),
                APIKey(id: "reader", sha256: SHA256.hash(Array("reader".utf8)), permissions: Permissions([.readAudit])),
            ]
        }
        let refused = try await gateway.call(.get, "/audit", headers: [.authorization: "Bearer others"])
        #expect(refused.status == 403 && refused.json["permission"]?.string == "Audit.Read")
        #expect(try await gateway.call(.get, "/audit", headers: [.authorization: "Bearer reader"]).status == 200)
        #expect(try await gateway.call(.get, "/audit", headers: [.authorization: "Bearer wrong"]).status == 401)
        #expect(!Permissions.ownExports.allow(.readAudit) && !Permissions([.readAll]).allow(.readAudit))
        let denials = audit.state.withLock { $0.denials }
        #expect(denials.map(\.code) == [.forbidden, .unauthenticated])
        #expect(denials.map(\.origin.caller) == ["others", nil])
        #expect(denials.allSatisfy { $0.request == "GET /audit" && $0.origin.requestID != nil })
    }

    @Test func whereNobodyIsKnownNobodyReadsIt() async throws {
        let gateway = TestGateway(audit: FakeAuditService())
        let answer = try await gateway.call(.get, "/audit")
        #expect(answer.status == 403 && answer.json["permission"]?.string == "Audit.Read")
    }

    @Test func aTicketIsRecordedBeforeItIsHandedOut() async throws {
        let audit = FakeAuditService()
        let gateway = TestGateway(audit: audit)
        let export = gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.csv", size: 3)] }
        let path = "/exports/\(export.id)/files/1/tickets"
        let ticket = try await gateway.call(.post, path)
        #expect(ticket.status == 201)
        let entry = try #require(audit.state.withLock { $0.entries.last })
        #expect(entry.action == .ticket && entry.exportID == export.id && entry.caller == Viewer.anonymousID)
        #expect(entry.details["ticket"] == ticket.json["id"]?.string && entry.details["file"] == "1")
        audit.state.withLock { $0.isBroken = true }
        let refused = try await gateway.call(.post, path)
        #expect(refused.status == 503 && !refused.body.contains("tickets/"))
    }

    @Test(
        arguments: [
            (["X-Forwarded-For": "203.0.113.9, 198.51.100.7"], "10.0.0.1", "198.51.100.7"),
            (["X-Forwarded-For": "203.0.113.9, 10.0.0.2"], "10.0.0.1", "203.0.113.9"),
            (["X-Forwarded-For": "203.0.113.9, unknown"], "10.0.0.1", "10.0.0.1"),
            (["X-Forwarded-For": "203.0.113.9:4711"], "10.0.0.1", "203.0.113.9"),
            (["X-Forwarded-For": "2001:db8::7"], "10.0.0.1", "2001:db8::7"),
            (["Forwarded": "for=203.0.113.9, for=\"[2001:db8::7]:4711\""], "10.0.0.1", "2001:db8::7"),
            (["Forwarded": "for=_hidden"], "10.0.0.1", "10.0.0.1"),
            (["Forwarded": "for=203.0.113.9", "X-Forwarded-For": "203.0.113.9"], "10.0.0.1", "203.0.113.9"),
            (["Forwarded": "for=203.0.113.9", "X-Forwarded-For": "198.51.100.7"], "10.0.0.1", "10.0.0.1"),
            (["X-Forwarded-For": "203.0.113.9"], "192.0.2.1", "192.0.2.1"),
            ([:], "10.0.0.1", "10.0.0.1"),
        ] as [([String: String], String, String)]
    )
    func theAddressIsThatOfTheOutermostTrustedProxysClient(
        _ fields: [String: String],
        _ peer: String,
        _ client: String
    ) throws {
        let address = PublicAddress(configured: nil, trustedProxies: [try IPRange("10.0.0.0/8")])
        var headers = HTTPFields()
        for (name, value) in fields { headers[try #require(HTTPField.Name(name))] = value }
        let found = address.client(of: headers, from: try SocketAddress(ipAddress: peer, port: 1))
        #expect(found == client)
        #expect(address.client(of: headers, from: nil) == nil)
    }
}
