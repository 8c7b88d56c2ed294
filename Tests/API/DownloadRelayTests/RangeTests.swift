import Exports
import SystemCrypto
import Testing
import ZlibReference

@testable import DownloadRelay

/// Parts of files, and under which conditions.
@Suite struct RangeTests {
    private static let bytes = rows(50_000)
    private static let digest = Hexadecimal.encode(SHA256.hash(bytes))
    private let scene = Scene()

    private var id: ExportID { scene.export.id }

    private func get(
        _ upstream: BreakingUpstream,
        _ file: ExportFile = csv,
        range: String?,
        ifRange: String? = nil,
        acceptEncoding: String? = nil
    ) async throws -> (response: DownloadResponse, bytes: [UInt8]) {
        let request = DownloadRequest(method: .get, acceptEncoding: acceptEncoding, range: range, ifRange: ifRange)
        let response = try await scene.respond(to: request, for: file, from: upstream)
        let outcome = try #require(await response.body?.collected())
        #expect(outcome.error == nil)
        return (response, outcome.bytes)
    }

    private func ranges(_ mode: String) -> Int64 {
        scene.count("download_ranges", "mode", mode)
    }

    @Test(arguments: [
        ("bytes=0-99", 0, 99), ("bytes=100-", 100, 49_999), ("bytes=-1", 49_999, 49_999), ("bytes=0-", 0, 49_999),
        ("bytes=49999-60000", 49_999, 49_999), ("bytes=-60000", 0, 49_999),
    ])
    func areServedWithAndWithoutTheUpstream(range: String, first: Int, last: Int) async throws {
        for servesRanges in [true, false] {
            for file in [csv, ExportFile(id: "1", name: "a.csv", size: 50_000)] {
                let upstream = BreakingUpstream(Self.bytes, .init(servesRanges: servesRanges))
                let (response, bytes) = try await get(upstream, file, range: range, acceptEncoding: "gzip")
                #expect(response.status == 206)
                #expect(response.field("Content-Range") == "bytes \(first)-\(last)/50000")
                #expect(response.contentLength == Int64(last - first + 1))
                #expect(response.field("Content-Encoding") == nil)
                #expect(response.field("Accept-Ranges") == "bytes")
                #expect(response.field("Vary") == "Accept-Encoding")
                #expect(response.field("Cache-Control") == "private, no-cache, no-transform")
                #expect(response.field("ETag")?.hasSuffix(".vv1\"") == true)
                #expect(bytes == Array(Self.bytes[first...last]))
            }
        }
        #expect(ranges("upstream") > 0 && ranges("skipping") > 0)
        let deliveries = await scene.ledger.all
        #expect(deliveries.allSatisfy { $0.rangeFirst == Int64(first) && $0.rangeLast == Int64(last) })
        #expect(deliveries.allSatisfy { $0.outcome == .whole && $0.sha256 == nil })
    }

    @Test func beyondTheEndIsRefused() async throws {
        for file in [csv, ExportFile(id: "1", name: "a.csv", size: 50_000)] {
            for servesRanges in [true, false] {
                for range in ["bytes=50000-", "bytes=50000-60000", "bytes=-0"] {
                    let error = await #expect(throws: GatewayError.self) {
                        try await get(
                            BreakingUpstream(Self.bytes, .init(servesRanges: servesRanges)),
                            file,
                            range: range
                        )
                    }
                    #expect(error?.code == .rangeNotSatisfiable)
                    #expect(error?.members == .size(50_000))
                }
            }
        }
        #expect(await scene.ledger.all.isEmpty)
    }

    @Test(arguments: ["bytes=0-1,5-6", "lines=1-2", "bytes=2-1", "bytes", "nonsense"])
    func whatIsNoSingleRangeIsIgnored(range: String) async throws {
        let (response, bytes) = try await get(BreakingUpstream(Self.bytes), range: range)
        #expect(response.status == 200)
        #expect(bytes == Self.bytes)
    }

    @Test func withoutALengthThereAreNoRanges() async throws {
        let manners = BreakingUpstream.Manners(servesRanges: false, announcesLength: false)
        for range in ["bytes=0-99", "bytes=-5"] {
            let (response, bytes) = try await get(
                BreakingUpstream(Self.bytes, manners),
                range: range,
                acceptEncoding: "gzip"
            )
            #expect(response.status == 200)
            #expect(response.field("Content-Encoding") == "gzip")
            #expect(response.field("Accept-Ranges") == nil)
            #expect(gunzip(bytes) == Self.bytes)
        }
        #expect(ranges("ignored") == 2)
    }

    @Test func skippingHasALimit() async throws {
        var settings = RelaySettings.withoutResumption
        settings.rangeSkipLimit = 1000
        let scene = Scene(settings: settings)
        let upstream = BreakingUpstream(Self.bytes, .init(servesRanges: false))
        for (range, status) in [("bytes=1000-1009", 206), ("bytes=1001-1009", 200)] {
            let request = DownloadRequest(method: .get, range: range)
            let response = try await scene.respond(to: request, for: csv, from: upstream)
            #expect(response.status == status)
        }
        settings.rangeSkipLimit = 0
        let none = Scene(settings: settings)
        let head = try await none.ask(ExportFile(id: "1", name: "a.csv", size: 9), DownloadRequest(method: .head))
        #expect(head.field("Accept-Ranges") == nil)
    }

    /// Only what is needed is read.
    @Test func readingEndsWithThePart() async throws {
        let script = ScriptedBytes(Self.bytes, piece: 1000)
        let request = DownloadRequest(method: .get, range: "bytes=2500-3499")
        let response = try await scene.respond(to: request, for: csv) { _ in
            FileBody(head: .init(contentLength: 50_000), bytes: script)
        }
        let outcome = try #require(await response.body?.collected())
        #expect(outcome.bytes == Array(Self.bytes[2500...3499]))
        #expect(script.notes.pulled == 4)
        #expect(script.notes.isLetGo)
    }

    @Test func theTagBringsTheUpstreamsValidatorBack() async throws {
        let upstream = BreakingUpstream(Self.bytes)
        let tag = try #require(try await get(upstream, range: nil).response.field("ETag"))
        #expect(tag == "\"\(id).1.vv1\"")
        // Another process, or the same after a restart: it knows nothing but the tag. The size is known by now.
        let later = Scene()
        let file = ExportFile(id: "1", name: "a.csv", size: 50_000, sha256: Self.digest)
        let request = DownloadRequest(method: .get, range: "bytes=100-199", ifRange: tag)
        let part = try await later.respond(to: request, for: file, from: upstream)
        #expect(part.status == 206)
        #expect(part.field("ETag") == tag)
        #expect(upstream.requests.last == FileRange(first: 100, last: 199, validator: "\"v1\""))
    }

    @Test(arguments: [true, false])
    func aChangedFileIsSentWhole(heedsValidator: Bool) async throws {
        let other = rows(50_000, seed: 9)
        let upstream = BreakingUpstream(Self.bytes, .init(heedsValidator: heedsValidator), next: other)
        let tag = try #require(try await get(upstream, range: nil).response.field("ETag"))
        let (response, bytes) = try await get(upstream, range: "bytes=100-199", ifRange: tag)
        #expect(response.status == 200)
        #expect(response.field("ETag") == "\"\(id).1.vv2\"")
        #expect(bytes == other)
    }

    @Test func onlyAStrongTagOfThePlainBytesHoldsARange() async throws {
        let proved = ExportFile(id: "1", name: "a.csv", size: 50_000, sha256: Self.digest)
        let base = "\(id).1.\(Self.digest.prefix(32))"
        for (ifRange, status) in [
            ("\"\(base)\"", 206), ("W/\"\(base)\"", 200), ("\"\(base)-gzip\"", 200), ("W/\"\(base)-gzip\"", 200),
            ("W/\"\(base)-zstd\"", 200),
            ("\"other\"", 200), ("Sat, 21 Nov 2026 06:00:00 GMT", 200), ("*", 200),
        ] {
            let manners = BreakingUpstream.Manners(hasValidator: false)
            let (response, bytes) = try await get(
                BreakingUpstream(Self.bytes, manners),
                proved,
                range: "bytes=100-199",
                ifRange: ifRange
            )
            #expect(response.status == status, "\(ifRange)")
            #expect(bytes == (status == 206 ? Array(Self.bytes[100...199]) : Self.bytes))
        }
    }

    @Test func conditionsComeBeforeTheRange() async throws {
        let proved = ExportFile(id: "1", name: "a.csv", size: 50_000, sha256: Self.digest)
        let tag = "\"\(id).1.\(Self.digest.prefix(32))\""
        let known = DownloadRequest(method: .get, ifNoneMatch: tag, range: "bytes=60000-")
        #expect(try await scene.ask(proved, known).status == 304)
        let other = DownloadRequest(method: .get, ifMatch: "\"other\"", range: "bytes=0-1")
        let error = await #expect(throws: GatewayError.self) { try await scene.ask(proved, other) }
        #expect(error?.code == .preconditionFailed)
    }

    @Test func ifMatchIsHeldAgainstTheUpstream() async throws {
        let upstream = BreakingUpstream(Self.bytes)
        for (validator, isHeld) in [("v1", true), ("v2", false)] {
            let request = DownloadRequest(method: .get, ifMatch: "\"\(id).1.v\(validator)\"")
            do {
                let response = try await scene.respond(to: request, for: csv, from: upstream)
                #expect(isHeld && response.status == 200)
            } catch {
                #expect(!isHeld && error.code == .preconditionFailed)
            }
        }
    }

    @Test func headSaysWhatTheLastGetLearned() async throws {
        let upstream = BreakingUpstream(Self.bytes)
        let head = DownloadRequest(method: .head, range: "bytes=0-9")
        #expect(try await scene.ask(csv, head).field("Accept-Ranges") == nil)
        let get = try await get(upstream, range: nil).response
        let known = try await scene.ask(csv, head)
        #expect(known.status == 200)
        #expect(known.headers.map { "\($0)" } == get.headers.map { "\($0)" })
        #expect(known.contentLength == 50_000)
    }

    /// A range that is not encoded cannot go to a client that takes gzip only.
    @Test func aClientThatTakesNoPlainBytesGetsTheWholeFile() async throws {
        let (response, bytes) = try await get(
            BreakingUpstream(Self.bytes),
            range: "bytes=0-9",
            acceptEncoding: "gzip, identity;q=0"
        )
        #expect(response.status == 200)
        #expect(gunzip(bytes) == Self.bytes)
    }

    /// An upstream that answers otherwise than it was asked.
    @Test func aPartUnaskedIsNotTheFile() async throws {
        let bytes = ScriptedBytes([.bytes([1, 2])])
        let head = FileBody.Head(range: ContentRange(first: 0, last: 1, completeLength: 10))
        let error = await #expect(throws: GatewayError.self) { try await scene.get(csv, head: head, bytes: bytes) }
        #expect(error?.code == .upstreamBroken)
    }
}
