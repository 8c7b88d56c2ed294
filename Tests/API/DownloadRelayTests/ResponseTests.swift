import Exports
import NIOCore
import Testing

@testable import DownloadRelay

/// What is answered before any byte flows.
@Suite struct ResponseTests {
    @Test func identityHasEveryField() async throws {
        let scene = Scene()
        let response = try await scene.get(
            pst,
            head: FileBody.Head(contentType: "application/zip", contentLength: 3),
            bytes: ScriptedBytes([.bytes([1, 2, 3])])
        )
        #expect(response.status == 200)
        #expect(response.contentLength == 3)
        #expect(
            response.headers.map { "\($0.name): \($0.value)" } == [
                "Content-Type: application/octet-stream",
                "Content-Disposition: attachment; filename=\"mails.ost\"; filename*=UTF-8''mails.ost",
                "X-Content-Type-Options: nosniff",
                "Content-Security-Policy: sandbox",
                "ETag: W/\"\(scene.export.id).1\"",
                "Vary: Accept-Encoding",
                "Cache-Control: private, no-cache, no-transform",
                "Accept-Ranges: bytes",
            ]
        )
    }

    @Test(arguments: codings)
    func eachCodingHasItsOwnTagAndNoLength(coding: String) async throws {
        let scene = Scene()
        let response = try await scene.get(
            csv,
            DownloadRequest(method: .get, acceptEncoding: coding),
            head: FileBody.Head(contentLength: 3),
            bytes: ScriptedBytes([.bytes([1, 2, 3])])
        )
        #expect(response.field("Content-Encoding") == coding)
        #expect(response.field("ETag") == "W/\"\(scene.export.id).1-\(coding)\"")
        #expect(response.field("Vary") == "Accept-Encoding")
        #expect(response.contentLength == nil)
    }

    @Test(arguments: [
        (csv, nil), (csv, "gzip"), (csv, "zstd"), (csv, "gzip, zstd"), (csv, "gzip;q=0"), (pst, "gzip"),
        (pst, "gzip, identity;q=0"),
        (ExportFile(id: "1", name: "a.csv", size: 1023), "gzip"),
        (ExportFile(id: "1", name: "a.csv", size: 1024), "gzip"),
        (ExportFile(id: "1", name: "a.csv", size: 1024), nil), (ExportFile(id: "1", name: "a.csv", size: 0), "gzip"),
    ])
    func headSaysWhatGetSays(file: ExportFile, acceptEncoding: String?) async throws {
        let scene = Scene()
        let head = try await scene.ask(file, DownloadRequest(method: .head, acceptEncoding: acceptEncoding))
        let get = try await scene.get(
            file,
            DownloadRequest(method: .get, acceptEncoding: acceptEncoding),
            bytes: ScriptedBytes([UInt8](repeating: 65, count: Int(file.size ?? 5000)), piece: 700)
        )
        #expect(head.body == nil)
        #expect(head.status == get.status)
        #expect(head.headers.map { "\($0.name): \($0.value)" } == get.headers.map { "\($0.name): \($0.value)" })
        #expect(head.contentLength == get.contentLength)
    }

    @Test(arguments: [
        (1023, nil), (1024, "zstd"), (50_000, "zstd"),
    ])
    func smallFilesAreNotEncoded(size: Int64, coding: String?) async throws {
        let response = try await Scene()
            .ask(
                ExportFile(id: "1", name: "a.csv", size: size),
                DownloadRequest(method: .head, acceptEncoding: "gzip, zstd")
            )
        #expect(response.field("Content-Encoding") == coding)
        #expect(response.contentLength == (coding == nil ? size : nil))
    }

    @Test func theRequestsNoTransformIsHonoured() async throws {
        let response = try await Scene()
            .ask(csv, DownloadRequest(method: .head, acceptEncoding: "gzip", cacheControl: "max-age=0, no-transform"))
        #expect(response.field("Content-Encoding") == nil)
    }

    @Test func aCodingThatIsNotOfferedIsNotSent() async throws {
        func coding(_ settings: RelaySettings, _ acceptEncoding: String) async throws -> String? {
            try await Scene(settings: settings)
                .ask(csv, DownloadRequest(method: .head, acceptEncoding: acceptEncoding))
                .field("Content-Encoding")
        }
        #expect(try await coding(RelaySettings(zstd: nil), "gzip, zstd") == "gzip")
        #expect(try await coding(RelaySettings(gzip: nil), "gzip, zstd;q=0.1") == "zstd")
        #expect(try await coding(RelaySettings(gzip: nil), "gzip") == nil)
        #expect(try await coding(RelaySettings(gzip: nil, zstd: nil), "gzip, zstd") == nil)
        let error = await #expect(throws: GatewayError.self) {
            try await coding(RelaySettings(gzip: nil), "gzip, identity;q=0")
        }
        #expect(error?.code == .notAcceptable)
        #expect(error?.detail.contains("accepts identity or zstd.") == true)
    }

    @Test(arguments: ["identity;q=0", "*;q=0", "br, identity;q=0"])
    func nothingAcceptable(acceptEncoding: String) async {
        let error = await #expect(throws: GatewayError.self) {
            try await Scene().ask(csv, DownloadRequest(method: .get, acceptEncoding: acceptEncoding))
        }
        #expect(error?.code == .notAcceptable)
    }

    @Test(arguments: [DownloadRequest.Method.get, .head])
    func knownTagsAreAnsweredWithoutTheUpstream(method: DownloadRequest.Method) async throws {
        let scene = Scene()
        // Without a confirmed digest, only "*" would be answered so.
        let file = ExportFile(id: "1", name: "sales.csv", sha256: EntityTagTests.digest)
        let base = "\(scene.export.id).1.\(EntityTagTests.digest.prefix(32))"
        for field in ["*", "W/\"\(base)\"", "\"\(base)-gzip\"", "\"\(base)-zstd\"", "\"other\", W/\"\(base)-gzip\""] {
            let request = DownloadRequest(method: method, acceptEncoding: "gzip", ifNoneMatch: field)
            let response = try await scene.ask(file, request)
            #expect(response.status == 304)
            #expect(response.body == nil)
            #expect(response.contentLength == nil)
            #expect(response.headers.map(\.name) == ["ETag", "Vary", "Cache-Control"])
            #expect(response.field("ETag") == "W/\"\(base)-gzip\"")
        }
    }

    @Test func otherTagsGetTheFile() async throws {
        let scene = Scene()
        let request = DownloadRequest(method: .get, ifNoneMatch: "\"\(scene.export.id).2\"")
        let response = try await scene.get(csv, request, bytes: ScriptedBytes([.bytes([1])]))
        #expect(response.status == 200)
        #expect(response.body != nil)
    }

    struct Refusal: Sendable {
        var file = pst
        var acceptEncoding: String?
        var head = FileBody.Head()
        var steps: [Step] = [.bytes([1, 2, 3])]
        var words: String
    }

    private static func confirmed(_ name: String, size: Int64) -> ExportFile {
        var file = ExportFile(id: "1", name: name, size: size)
        file.sizeState = .confirmed
        return file
    }

    static let refusals: [Refusal] = [
        Refusal(head: .init(contentType: "text/html; charset=utf-8"), words: "sign-in page"),
        Refusal(file: csv, head: .init(contentType: "application/xhtml+xml"), words: "sign-in page"),
        Refusal(head: .init(contentEncoding: "gzip"), words: "gzip"),
        Refusal(acceptEncoding: "gzip;q=0", head: .init(contentEncoding: "gzip"), words: "gzip"),
        Refusal(acceptEncoding: "gzip, br", head: .init(contentEncoding: "br"), words: "content coding"),
        Refusal(acceptEncoding: "gzip", head: .init(contentEncoding: "gzip, gzip"), words: "content coding"),
        Refusal(head: .init(contentLength: -1), words: "length of -1"),
        Refusal(
            file: confirmed("a.ost", size: 4),
            head: .init(contentLength: 3),
            words: "announced 3 bytes, where the export lists the file 1 with 4"
        ),
        Refusal(
            file: confirmed("a.csv", size: 4000),
            acceptEncoding: "gzip",
            head: .init(contentLength: 3),
            words: "announced 3 bytes"
        ),
        Refusal(head: .init(contentLength: 2), words: "3 bytes and more"),
        Refusal(head: .init(contentLength: 3), steps: [.bytes([1, 2, 3]), .bytes([4])], words: "4 bytes and more"),
        Refusal(head: .init(contentLength: 4), steps: [], words: "0 of 4"),
        Refusal(file: ExportFile(id: "1", name: "a.ost", size: 4), steps: [.bytes([])], words: "0 of 4"),
        Refusal(file: ExportFile(id: "1", name: "a.ost", size: 0), words: "3 bytes and more"),
        Refusal(steps: [.failure(ChannelError.eof)], words: "failed after 0 bytes"),
    ]

    @Test(arguments: refusals)
    func whatCannotBeTheFileIsABadGateway(refusal: Refusal) async throws {
        let scene = Scene()
        let bytes = ScriptedBytes(refusal.steps)
        var head = refusal.head
        head.requestID = "upstream-7"
        let error = await #expect(throws: GatewayError.self) {
            try await scene.get(
                refusal.file,
                DownloadRequest(method: .get, acceptEncoding: refusal.acceptEncoding),
                head: head,
                bytes: bytes
            )
        }
        #expect(error?.code == .upstreamBroken)
        #expect(error?.detail.contains(refusal.words) == true)
        #expect(error?.upstream?.requestId == "upstream-7")
    }

    @Test func aPageThatIsTheFileIsNoSignInPage() async throws {
        let page = ExportFile(id: "1", name: "report.html")
        let response = try await Scene()
            .get(page, head: .init(contentType: "text/html"), bytes: ScriptedBytes([.bytes([60])]))
        #expect(response.status == 200)
    }

    @Test func whatOpeningThrowsComesOut() async {
        let scene = Scene()
        let error = await #expect(throws: GatewayError.self) {
            try await scene.respond(to: acceptingGzip, for: csv) {
                _ async throws(GatewayError) in throw GatewayError(.expired, "Gone.")
            }
        }
        #expect(error?.code == .expired)
    }

    @Test func aProvidersErrorBeforeTheFirstByteKeepsItsMeaning() async {
        let stalled = ProviderError(.transient, "The upstream stalled.", problem: .upstreamTimeout)
        let error = await #expect(throws: GatewayError.self) {
            try await Scene().get(csv, bytes: ScriptedBytes([.bytes([]), .failure(stalled)]))
        }
        #expect(error?.code == .upstreamTimeout)
        #expect(error?.detail == "The upstream stalled.")
    }
}
