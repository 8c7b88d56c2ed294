import CallerIdentity
import Exports
import HTTPTypes
import JSON
import ManualClock
import Synchronization
import Testing

@testable import GatewayAPI

/// The caller's token for the hosts that files come from: it goes with downloads, and with nothing else.
@Suite struct DownloadTokenTests {
    private static let headers: HTTPFields = [
        .upstreamAuthorization: "Bearer of-the-api", .upstreamDownloadAuthorization: "Bearer of-the-files",
    ]

    private func gateway() -> (TestGateway, Export) {
        let service = FakeExportService(time: ManualTime()) { _ throws(GatewayError) in
            fileBody(["a,b\n", "1,2\n"], contentLength: 8)
        }
        let export = service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "Sales.csv", size: 8)] }
        return (TestGateway(service: service), export)
    }

    @Test(arguments: [("files/1", nil), ("content", nil), ("content", "application/zip")] as [(String, String?)])
    func theServiceGetsIt(path: String, type: String?) async throws {
        let (gateway, export) = gateway()
        var headers = Self.headers
        headers[.accept] = type
        let target = "/exports/\(export.id)/\(path)"
        #expect(try await gateway.call(.head, target, headers: headers).status == 200)
        #expect(gateway.service.state.withLock { $0.effects }.allSatisfy { $0 != "opened" })
        #expect(try await gateway.call(.get, target, headers: headers).status == 200)
        let opened = try #require(gateway.service.state.withLock { $0.viewers.last })
        #expect(opened.token == Secret("of-the-api"))
        #expect(opened.downloadToken == Secret("of-the-files"))
    }

    @Test func itIsRefusedWithAnythingElse() async throws {
        let (gateway, export) = gateway()
        // Who is not authenticated may read no audit trail, and learns that first.
        for route in RouteTable.routes
        where !route.isDownload && route.authority != .ticket && route.permission != .readAudit
            && Listener.everything.has(route.operation)
        {
            let id = route.pattern.hasPrefix("/providers") ? "power-bi" : "\(export.id)"
            let target = route.pattern.replacing("{id}", with: id)
            let body = route.method == .post ? CreateExportTests.body : nil
            let answer = try await gateway.call(route.method, target, headers: Self.headers, body: body)
            #expect(answer.status == 400, "\(route.operation)")
            #expect(answer.code == "invalid-parameter")
            #expect(answer.json["parameter"]?.string == "Upstream-Download-Authorization")
            #expect(answer.json["detail"]?.string?.contains("/exports/{id}/content") == true)
        }
        let state = gateway.service.state.withLock { ($0.drafts.count, $0.viewers.count, $0.effects) }
        #expect(state == (0, 0, []))
    }

    /// Who may not call learns that first.
    @Test func unauthenticatedClientsAreRefusedAsEver() async throws {
        let (gateway, _) = TestGateway.locked()
        #expect(try await gateway.call(.get, "/exports", headers: Self.headers).status == 401)
    }

    @Test func itHasTheFormOfAToken() async throws {
        let (gateway, export) = gateway()
        let longest = String(repeating: "x", count: 16_384)
        for wrong in ["of-the-files", "Basic b2Y=", "Bearer ", "Bearer a b", "Bearer \(longest)x"] {
            let answer = try await gateway.call(
                .get,
                "/exports/\(export.id)/content",
                headers: [.upstreamDownloadAuthorization: wrong]
            )
            #expect(answer.status == 400)
            #expect(answer.json["parameter"]?.string == "Upstream-Download-Authorization")
            #expect(!answer.body.contains("of-the-files") && !answer.body.contains(longest))
        }
        var twice = Self.headers
        twice.append(HTTPField(name: .upstreamDownloadAuthorization, value: "Bearer another"))
        #expect(try await gateway.call(.get, "/exports/\(export.id)/content", headers: twice).status == 400)
        #expect(gateway.service.state.withLock { $0.effects }.isEmpty)
    }
}
