import DownloadRelay
import Exports
import JSON
import ManualClock
import Synchronization
import HTTPTypes
import Testing

@testable import GatewayAPI

@Suite struct DownloadTests {
    private func gateway(_ file: FileBody = fileBody(["a,b\n", "1,2\n"], contentLength: 8)) -> TestGateway {
        TestGateway(service: FakeExportService(time: ManualTime()) { _ throws(GatewayError) in file })
    }

    private func csv(_ gateway: TestGateway) -> Export {
        gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "Sales.csv", size: 8)] }
    }

    @Test func sendsTheBytes() async throws {
        let gateway = gateway()
        let export = csv(gateway)
        for path in ["content", "files/1"] {
            let gateway = self.gateway()
            let export = csv(gateway)
            let answer = try await gateway.call(
                .get,
                "/exports/\(export.id)/\(path)",
                headers: [.upstreamAuthorization: "Bearer t", .accept: "text/csv"]
            )
            #expect(answer.status == 200)
            #expect(answer.body == "a,b\n1,2\n")
            #expect(answer.headers[.contentType] == "application/octet-stream")
            #expect(answer.headers[.contentDisposition]?.contains("Sales.csv") == true)
            #expect(answer.headers[.xContentTypeOptions] == "nosniff")
            #expect(answer.headers[.contentLength] == "8")
            #expect(answer.headers[.vary] == (path == "content" ? "Accept, Accept-Encoding" : "Accept-Encoding"))
            #expect(gateway.service.state.withLock { $0.viewers.map { $0.token?.reveal() } } == ["t", "t"])
        }
        let answer = try await gateway.call(.get, "/exports/\(export.id)/files")
        #expect(answer.json["value"]?.array?.first?["href"]?.string == "files/1")
    }

    @Test func asksNothingForHead() async throws {
        let gateway = TestGateway()
        let export = csv(gateway)
        for path in ["content", "files/1"] {
            let answer = try await gateway.call(.head, "/exports/\(export.id)/\(path)")
            #expect(answer.status == 200)
            #expect(answer.body.isEmpty)
            #expect(answer.headers[.contentLength] == "8")
            #expect(answer.headers[.eTag] != nil)
            let known = try await gateway.call(
                .get,
                "/exports/\(export.id)/\(path)",
                headers: [.ifNoneMatch: "*"]
            )
            #expect(known.status == 304)
            #expect(known.headers[.contentLength] == nil)
        }
    }

    @Test func refusesCodingsItDoesNotHave() async throws {
        let gateway = gateway()
        let export = csv(gateway)
        let answer = try await gateway.call(
            .get,
            "/exports/\(export.id)/content",
            headers: [.acceptEncoding: "br, identity;q=0"]
        )
        #expect(answer.status == 406)
    }

    @Test(arguments: [
        (ExportStatus.notStarted, "not-ready", 409), (.running, "not-ready", 409), (.unknown, "not-ready", 409),
        (.failed, "no-result", 409), (.canceled, "no-result", 409), (.expired, "expired", 410),
        (.succeeded, "no-result", 409),
    ])
    func saysWhyThereIsNothing(status: ExportStatus, code: String, http: Int) async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(status) { export in
            if status == .failed { export.error = ExportFailure(.exportFailed, "It broke.") }
        }
        let answer = try await gateway.call(.get, "/exports/\(export.id)/content")
        #expect(answer.status == http)
        #expect(answer.code == code)
        #expect((answer.headers[.retryAfter] != nil) == (code == "not-ready"))
        #expect(try await gateway.call(.head, "/exports/\(export.id)/content").status == http)
        if status == .failed { #expect(answer.json["detail"]?.string?.contains("It broke.") == true) }
    }

    @Test func namesTheFilesToChooseFrom() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.succeeded) {
            $0.files = [
                ExportFile(id: "1", name: "a", size: 1, contentType: "text/csv"), ExportFile(id: "2", name: "b"),
            ]
        }
        let answer = try await gateway.call(.get, "/exports/\(export.id)/content")
        #expect(answer.status == 409)
        #expect(answer.code == "several-files")
        #expect(
            answer.json["files"]?.array?.compactMap { $0["href"]?.string }
                == ["files/1", "files/2"]
        )
        #expect(try await gateway.call(.get, "/exports/\(export.id)/files/3").status == 404)
    }

    @Test func saysWhereTheFilesWent() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.succeeded) { $0.destination = "https://contoso.blob.core.windows.net/x" }
        let answer = try await gateway.call(.get, "/exports/\(export.id)/content")
        #expect(answer.status == 409)
        #expect(answer.code == "delivered-elsewhere")
        #expect(try await gateway.call(.get, "/exports/\(export.id)/files/1").code == "delivered-elsewhere")
    }

    @Test func anEarlyFailureIsAProblem() async throws {
        let upstream = UpstreamErrorInfo(status: 403, code: "PowerBINotAuthorized", requestId: "r-1")
        let gateway = TestGateway(
            service: FakeExportService(time: ManualTime()) { _ throws(GatewayError) in
                throw GatewayError(.upstreamForbidden, "No.", upstream: upstream)
            }
        )
        let export = csv(gateway)
        let answer = try await gateway.call(.get, "/exports/\(export.id)/content")
        #expect(answer.status == 403)
        #expect(answer.json["upstream"] == ["status": 403, "code": "PowerBINotAuthorized", "requestId": "r-1"])
        #expect(answer.headers[.contentDisposition] == nil)
    }

    @Test func severalFilesComeAsAnArchive() async throws {
        let gateway = TestGateway(
            service: FakeExportService(time: ManualTime()) { id throws(GatewayError) in
                fileBody(["content of \(id)"], contentLength: 12)
            }
        )
        let export = gateway.service.put(.succeeded) {
            $0.name = "Case 7"
            $0.files = [ExportFile(id: "1", name: "a.csv", size: 12), ExportFile(id: "2", name: "a.csv", size: 12)]
        }
        let path = "/exports/\(export.id)/content"
        let several = try await gateway.call(.get, path)
        #expect(several.code == "several-files")
        #expect(several.json["detail"]?.string?.contains("Accept: application/zip") == true)

        let answer = try await gateway.call(.get, path, headers: [.accept: "application/zip", .acceptEncoding: "gzip"])
        #expect(answer.status == 200)
        #expect(answer.headers[.contentType] == "application/zip")
        #expect(answer.headers[.contentDisposition]?.contains("Case 7.zip") == true)
        #expect(answer.headers[.vary] == "Accept, Accept-Encoding")
        #expect(answer.headers[.contentEncoding] == nil)
        #expect(answer.headers[.contentLength] != nil)
        #expect(answer.body.contains("content of 1") && answer.body.contains("content of 2"))
        #expect(answer.body.contains("a (2).csv"))
        let head = try await gateway.call(.head, path, headers: [.accept: "application/zip"])
        #expect(head.headers[.contentLength] == answer.headers[.contentLength])
        #expect(head.headers[.eTag] == answer.headers[.eTag])
        let deliveries = gateway.service.state.withLock { $0.deliveries }
        #expect(deliveries.map(\.coding) == ["zip"] && deliveries.map(\.fileID) == [nil])
    }

    @Test func oneFileComesAsAnArchiveToThoseWhoAsk() async throws {
        let gateway = gateway()
        let export = csv(gateway)
        let archive = try await gateway.call(
            .get,
            "/exports/\(export.id)/content",
            headers: [.accept: "application/zip"]
        )
        #expect(archive.headers[.contentType] == "application/zip" && archive.body.hasPrefix("PK\u{3}\u{4}"))
        // At its own address, a file is only itself.
        let other = self.gateway()
        let path = "/exports/\(csv(other).id)/files/1"
        let file = try await other.call(.get, path, headers: [.accept: "application/zip"])
        #expect(file.body == "a,b\n1,2\n" && file.headers[.vary] == "Accept-Encoding")
    }

    @Test func whatThereIsNoMemoryForIsRefused() async throws {
        let gateway = TestGateway(
            service: FakeExportService(time: ManualTime()) { _ throws(GatewayError) in fileBody(["x"], contentLength: 1)
            },
            memory: 1
        )
        let export = gateway.service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.bin", size: 1)] }
        for (path, accept) in [("content", "*/*"), ("content", "application/zip"), ("files/1", "*/*")] {
            let answer = try await gateway.call(.get, "/exports/\(export.id)/\(path)", headers: [.accept: accept])
            #expect(answer.status == 429)
            #expect(answer.code == "too-many-requests")
            #expect(answer.headers[.retryAfter] == "5")
            #expect(answer.headers[.rateLimitPolicy] == "\"downloads\";q=0;qu=\"concurrent-requests\"")
            #expect(answer.headers[.rateLimit] == "\"downloads\";r=0;t=5")
            #expect(answer.json["quota"] == ["name": "downloads", "limit": 0, "unit": "concurrent-requests"])
            #expect(try await gateway.call(.head, "/exports/\(export.id)/\(path)").status == 200)
        }
        #expect(gateway.service.state.withLock { $0.deliveries }.isEmpty)
    }
}
