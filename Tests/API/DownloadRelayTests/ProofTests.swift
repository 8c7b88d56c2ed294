import Exports
import ManualClock
import NIOCore
import SystemCrypto
import Testing
import ZlibReference

@testable import DownloadRelay

/// What proves that a delivery was whole, and is stored of it.
@Suite struct ProofTests {
    private static let bytes = rows(100_000)
    private static let digest = Hexadecimal.encode(SHA256.hash(bytes))
    /// SHA-256 of the empty string.
    private static let nothing = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    private let scene = Scene()

    private func send(
        _ request: DownloadRequest,
        _ file: ExportFile = csv,
        bytes: [UInt8] = bytes,
        length: Int64? = nil
    ) async throws -> (response: DownloadResponse, trailers: [String], bytes: [UInt8]) {
        let script = ScriptedBytes(bytes, piece: 9999)
        let response = try await scene.get(file, request, head: .init(contentLength: length), bytes: script)
        var sent: [UInt8] = []
        var trailers: [String] = []
        try await response.body?
            .write {
                sent += Array($0.readableBytesView)
            } finish: {
                trailers = $0.map { "\($0.name): \($0.value)" }
            }
        return (response, trailers, sent)
    }

    @Test func theDigestFollowsABodyOfUnknownLength() async throws {
        for acceptEncoding in [nil, "gzip", "zstd"] {
            let request = DownloadRequest(method: .get, acceptEncoding: acceptEncoding, te: "Trailers;q=1, trailers")
            let (response, trailers, _) = try await send(request, bytes: [])
            #expect(response.field("Trailer") == "Unencoded-Digest")
            #expect(trailers == ["Unencoded-Digest: \(Self.nothing)"])
            #expect(response.field("Unencoded-Digest") == nil)
        }
        let encoded = try await send(
            DownloadRequest(method: .get, acceptEncoding: "gzip", te: "trailers"),
            length: 100_000
        )
        #expect(encoded.trailers.count == 1)
        #expect(gunzip(encoded.bytes) == Self.bytes)
    }

    @Test func noTrailersWhereTheyAreNotTaken() async throws {
        for request in [
            DownloadRequest(method: .get), DownloadRequest(method: .get, te: "gzip"),
            DownloadRequest(method: .get, te: "nottrailers"),
        ] {
            let answer = try await send(request)
            #expect(answer.response.field("Trailer") == nil)
            #expect(answer.trailers.isEmpty)
        }
        // A body with a length is not chunked, and has no place for them.
        let answer = try await send(DownloadRequest(method: .get, te: "trailers"), length: 100_000)
        #expect(answer.response.field("Trailer") == nil)
        #expect(answer.trailers.isEmpty)
    }

    @Test func aKnownDigestGoesAhead() async throws {
        let file = ExportFile(id: "1", name: "a.csv", size: 0, sha256: Hexadecimal.encode(SHA256.hash([])))
        for method in [DownloadRequest.Method.get, .head] {
            let response = try await scene.get(file, DownloadRequest(method: method), bytes: ScriptedBytes([]))
            #expect(response.field("Unencoded-Digest") == Self.nothing)
        }
        let whole = ExportFile(id: "1", name: "a.csv", size: 100_000, sha256: Self.digest)
        let part = try await send(DownloadRequest(method: .get, range: "bytes=0-9"), whole)
        #expect(part.response.field("Unencoded-Digest") == nil)
        #expect(part.response.field("Repr-Digest") == DigestField.value(SHA256.hash(Self.bytes)))
    }

    /// The field that libraries know goes with the whole file only when two readings agree, and never with a coding: there
    /// it would have to be of the encoded bytes.
    @Test func aConfirmedDigestHasItsStandardFieldToo() async throws {
        var file = ExportFile(id: "1", name: "a.csv", size: 100_000, sha256: Self.digest)
        for (state, method) in [
            (ExportFile.State.claimed, DownloadRequest.Method.get), (.confirmed, .get), (.confirmed, .head),
        ] {
            file.digestState = state
            let digest = DigestField.value(SHA256.hash(Self.bytes))
            let plain = try await send(DownloadRequest(method: method), file).response
            #expect(plain.field("Unencoded-Digest") == digest)
            #expect(plain.field("Repr-Digest") == (state == .confirmed ? digest : nil))
            let encoded = try await send(DownloadRequest(method: method, acceptEncoding: "gzip"), file).response
            #expect(encoded.field("Content-Encoding") == "gzip")
            #expect(encoded.field("Unencoded-Digest") == digest)
            #expect(encoded.field("Repr-Digest") == nil)
        }
    }

    @Test(arguments: [nil, "gzip", "zstd"], [true, false])
    func anotherDigestIsABrokenDownload(acceptEncoding: String?, isLengthKnown: Bool) async throws {
        let wrong = ExportFile(id: "1", name: "a.csv", size: 100_000, sha256: Hexadecimal.encode(SHA256.hash([1])))
        let response = try await scene.get(
            wrong,
            DownloadRequest(method: .get, acceptEncoding: acceptEncoding),
            head: .init(contentLength: isLengthKnown ? 100_000 : nil),
            bytes: ScriptedBytes(Self.bytes, piece: 9999)
        )
        let outcome = try #require(await response.body?.collected())
        #expect((outcome.error as? DownloadFailure)?.code == .digestMismatch)
        // Visibly: the last piece is missing.
        if acceptEncoding == nil { #expect(outcome.bytes.count < 100_000) }
        if acceptEncoding != nil { #expect(decoded(outcome.bytes, acceptEncoding) == nil) }
        #expect(await scene.ledger.all.map(\.reason) == ["digest-mismatch"])
    }

    @Test func aWrongDigestFromTheFirstBytesIsAProblem() async throws {
        let wrong = ExportFile(id: "1", name: "a.csv", size: 3, sha256: Self.digest)
        let error = await #expect(throws: GatewayError.self) {
            try await scene.get(wrong, bytes: ScriptedBytes([.bytes([1, 2, 3])]))
        }
        #expect(error?.code == .upstreamBroken)
    }

    /// Where reading begins before the part and ends with the file, the whole of it is held against the digest.
    @Test func aSkippedPartToTheEndIsHeldAgainstTheDigest() async throws {
        let wrong = ExportFile(id: "1", name: "a.csv", size: 100_000, sha256: Hexadecimal.encode(SHA256.hash([1])))
        let response = try await scene.get(
            wrong,
            DownloadRequest(method: .get, range: "bytes=50000-"),
            bytes: ScriptedBytes(Self.bytes, piece: 9999)
        )
        let outcome = try #require(await response.body?.collected())
        #expect((outcome.error as? DownloadFailure)?.code == .digestMismatch)
        #expect(outcome.bytes.count < 50_000)
    }

    @Test(arguments: [
        ("a.zip", Array("PK\u{3}\u{4}".utf8), true), ("a.pptx", Array("PK\u{3}\u{4}".utf8), true),
        ("a.pdf", Array("%PDF-1.7\n".utf8), true), ("a.zip", Array("<Error>".utf8), false),
        ("a.xlsx", Array("{\"error\"".utf8), false), ("a.pdf", Array("PK\u{3}\u{4}".utf8), false), ("a.zip", [], false),
    ])
    func filesBeginAsTheirFormatDoes(name: String, beginning: [UInt8], isRight: Bool) async throws {
        for piece in [1, 3, 1000] {
            for rest in [0, 1, 5000] {
                let bytes = beginning + [UInt8](repeating: 7, count: beginning.isEmpty ? 0 : rest)
                let file = ExportFile(id: "1", name: name)
                do {
                    let answer = try await scene.get(file, bytes: ScriptedBytes(bytes, piece: piece))
                    #expect(isRight)
                    #expect(await answer.body?.collected().bytes == bytes)
                } catch {
                    #expect(!isRight)
                    #expect(error.code == .upstreamBroken)
                    #expect(error.detail.contains("where the file has to be"))
                }
            }
        }
    }

    @Test func upstreamsOwnGzipIsDecoded() async throws {
        let encoded = gzipped(Self.bytes)
        for (acceptEncoding, isEncoded) in [("gzip", true), (nil, false)] {
            for file in [csv, ExportFile(id: "1", name: "a.csv", size: 100_000, sha256: Self.digest)] {
                let response = try await scene.get(
                    file,
                    DownloadRequest(method: .get, acceptEncoding: acceptEncoding),
                    head: .init(contentLength: Int64(encoded.count), contentEncoding: " X-GZip"),
                    bytes: ScriptedBytes(encoded, piece: 777)
                )
                #expect((response.field("Content-Encoding") == "gzip") == isEncoded)
                #expect(response.contentLength == (isEncoded ? nil : file.size))
                let outcome = try #require(await response.body?.collected())
                #expect(outcome.error == nil)
                #expect((isEncoded ? gunzip(outcome.bytes) : outcome.bytes) == Self.bytes)
            }
        }
    }

    @Test func aDamagedGzipIsABrokenDownload() async throws {
        var encoded = gzipped(Self.bytes)
        encoded[encoded.count - 6] ^= 1
        let response = try await scene.get(
            csv,
            head: .init(contentEncoding: "gzip"),
            bytes: ScriptedBytes(encoded, piece: 777)
        )
        let outcome = try #require(await response.body?.collected())
        #expect((outcome.error as? DownloadFailure)?.code == .decoderFailed)
    }

    @Test func aDeliveryIsStored() async throws {
        let (_, _, sent) = try await send(acceptingGzip, length: 100_000)
        let delivery = try #require(await scene.ledger.all.first)
        #expect(delivery.exportID == scene.export.id)
        #expect(delivery.fileID == "1")
        #expect(delivery.caller == "auditor")
        #expect(delivery.requestID == "r-1")
        #expect(delivery.coding == "gzip")
        #expect(delivery.outcome == .whole)
        #expect(delivery.bytesSent == Int64(sent.count))
        #expect(delivery.fileBytes == 100_000)
        #expect(delivery.sha256 == Self.digest)
        #expect(delivery.startedAt == scene.time.now())
        #expect(delivery.resumptions == 0)
        #expect(delivery.rangeFirst == nil && delivery.rangeLast == nil && delivery.reason == nil)
    }

    private struct Gone: Error {}

    @Test(arguments: [nil, "gzip", "zstd"])
    func aClientThatLeavesIsStoredToo(acceptEncoding: String?) async throws {
        let response = try await scene.get(
            csv,
            DownloadRequest(method: .get, acceptEncoding: acceptEncoding),
            bytes: ScriptedBytes(noise(1 << 20), piece: 9999)
        )
        await #expect(throws: Gone.self) { try await response.body?.write { _ in throw Gone() } }
        let delivery = try #require(await scene.ledger.all.first)
        #expect(delivery.outcome == .abandoned)
        #expect(delivery.bytesSent == 0)
        #expect(delivery.sha256 == nil)
    }

    /// A client that has every byte and not the end: it does not know that it has them all.
    @Test func leavingBeforeTheEndIsLeaving() async throws {
        let response = try await scene.get(csv, bytes: ScriptedBytes(Self.bytes, piece: 9999))
        await #expect(throws: Gone.self) {
            try await response.body?
                .write { _ in
                } finish: { _ in
                    throw Gone()
                }
        }
        #expect(await scene.ledger.all.map(\.outcome) == [.abandoned])
    }

    /// The ledger refuses to write in a cancelled task; `Deliveries` would trap.
    @Test(arguments: [nil, "gzip", "zstd"])
    func aCancelledDownloadIsStoredToo(acceptEncoding: String?) async throws {
        let script = ScriptedBytes([.bytes(rows(100)), .silence])
        let response = try await scene.get(
            csv,
            DownloadRequest(method: .get, acceptEncoding: acceptEncoding),
            bytes: script
        )
        let body = try #require(response.body)
        let task = Task { try await body.write { _ in } }
        task.cancel()
        let result = await task.result
        #expect(throws: DownloadFailure.self) { try result.get() }
        #expect(await scene.ledger.all.map(\.outcome) == [.broken])
        #expect(await scene.ledger.all.map(\.reason) == ["cancelled"])
    }
}
