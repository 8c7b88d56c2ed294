import Exports
import ManualClock
import NIOCore
import SystemCrypto
import Testing
import TestSupport
import ZlibReference

@testable import DownloadRelay

/// Files from upstreams that break off: exact, or visibly broken.
@Suite(.timeLimit(.minutes(5))) struct BrokenUpstreamTests {
    enum Kind: String, CaseIterable, Sendable {
        case ranges, noRanges, noValidator, neitherOfBoth, noLength
        case changed, changedUnheeded, changedSameLength, changedWithoutValidator, changedShorter
        case gzipUpstream, changedGzipUpstream
    }

    enum Form: String, CaseIterable, Sendable {
        case identity, gzip, zstd, part, suffix
    }

    private struct Tally {
        var downloads = 0
        var whole = 0
        var broken = 0
        var refused = 0
        var resumed = 0
        var wrong: [String] = []
    }

    @Test func nothingIsEverStitched() async throws {
        var random = SeededRandom(seed: 20_261_121)
        var tally = Tally()
        for round in 0..<10 {
            for kind in Kind.allCases {
                for form in Form.allCases {
                    try await download(kind, form, round, &random, &tally)
                }
            }
        }
        print(
            "downloads with cuts at random places: \(tally.downloads), whole \(tally.whole) (with \(tally.resumed) "
                + "resumptions), visibly broken \(tally.broken), refused \(tally.refused), wrong \(tally.wrong.count)"
        )
        #expect(tally.wrong.isEmpty, "\(tally.wrong)")
        #expect(tally.downloads == 600)
        // An upstream that ends properly at the same place twice, short of what is claimed, is not asked a third time.
        #expect(tally.resumed > 200)
        #expect(tally.broken > 50)
    }

    private func download(
        _ kind: Kind,
        _ form: Form,
        _ round: Int,
        _ random: inout SeededRandom,
        _ tally: inout Tally
    ) async throws {
        let size = Int.random(in: 60_000...300_000, using: &random)
        let old = rows(size, seed: random.next())
        var manners = BreakingUpstream.Manners()
        var new: [UInt8]?
        switch kind {
        case .ranges: break
        case .noRanges: manners.servesRanges = false
        case .noValidator: manners.hasValidator = false
        case .neitherOfBoth: (manners.servesRanges, manners.hasValidator) = (false, false)
        case .noLength: manners.announcesLength = false
        case .changed: new = rows(size + 4000, seed: random.next())
        case .changedUnheeded:
            manners.heedsValidator = false
            new = rows(size, seed: random.next())
        case .changedSameLength: new = changed(old, &random)
        case .changedWithoutValidator:
            manners.hasValidator = false
            new = changed(old, &random)
        case .changedShorter:
            (manners.servesRanges, manners.hasValidator, manners.announcesLength) = (false, false, false)
            new = Array(old.prefix(size / 2))
        case .gzipUpstream: manners.sendsGzip = true
        case .changedGzipUpstream:
            (manners.sendsGzip, manners.hasValidator) = (true, false)
            new = changed(old, &random)
        }
        let cuts = (0..<Int.random(in: 1...3, using: &random))
            .map { _ in
                let how: BreakingUpstream.Break = Bool.random(using: &random) && manners.announcesLength ? .end : .error
                return (after: Int.random(in: 1..<size, using: &random), how: how)
            }
        let upstream = BreakingUpstream(old, manners, breaks: cuts, next: new)
        let scene = Scene(settings: RelaySettings(), pauses: .endAtOnce, deadlines: .neverEnd)
        let name = "\(kind) \(form) \(round)"
        tally.downloads += 1

        // The record knows the size where the upstream announces none, else a clean end could be the end.
        let file = ExportFile(id: "1", name: "a.csv", size: manners.announcesLength ? nil : Int64(size))
        let first = Int.random(in: 0..<size, using: &random)
        let last = Int.random(in: first..<size, using: &random)
        var request = DownloadRequest(method: .get)
        switch form {
        case .identity: break
        case .gzip, .zstd: request.acceptEncoding = form.rawValue
        case .part: request.range = "bytes=\(first)-\(last)"
        case .suffix: request.range = "bytes=-\(size - first)"
        }
        let response: DownloadResponse
        do {
            response = try await scene.respond(to: request, for: file, from: upstream)
        } catch {
            tally.refused += 1
            return
        }
        let body = try #require(response.body)
        let (bytes, _, error) = await body.collected()

        /// What the answer would have to be if the file were `file`.
        func expected(_ file: [UInt8]) -> [UInt8]? {
            guard response.status == 206 else { return file }
            guard let part = RangeField(request.range)?.resolved(in: Int64(file.count)),
                part.contentRange == response.field("Content-Range")
            else { return nil }
            return Array(file[Int(part.first)...Int(part.last)])
        }
        let plain = decoded(bytes, response.field("Content-Encoding"))
        let delivery = try #require(await scene.ledger.all.first)
        tally.resumed += delivery.resumptions
        if let error {
            tally.broken += 1
            // Seen by any client: less than was announced, or no end of the encoding, or no last chunk.
            if let length = response.contentLength, Int64(bytes.count) >= length { tally.wrong.append(name + ": full") }
            if response.field("Content-Encoding") != nil, plain != nil { tally.wrong.append(name + ": ended") }
            if !(error is DownloadFailure) { tally.wrong.append(name + ": \(error)") }
            if delivery.outcome != .broken || delivery.sha256 != nil { tally.wrong.append(name + ": delivery") }
            if new == nil { tally.wrong.append(name + ": not resumed, \(error)") }
        } else {
            tally.whole += 1
            let isOld = plain == expected(old)
            let isNew = new.map { plain == expected($0) } ?? false
            if !isOld, !isNew { tally.wrong.append(name) }
            // A strong tag names one version.
            if response.field("ETag")?.hasSuffix(".vv1\"") == true, !isOld { tally.wrong.append(name + ": tag") }
            if delivery.outcome != .whole { tally.wrong.append(name + ": delivery") }
            if response.status == 200, delivery.sha256 != plain.map({ Hexadecimal.encode(SHA256.hash($0)) }) {
                tally.wrong.append(name + ": digest")
            }
        }
        if await scene.ledger.all.count != 1 { tally.wrong.append(name + ": deliveries") }
    }

    /// A file of the same length that differs somewhere.
    private func changed(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var changed = bytes
        changed[Int.random(in: 0..<bytes.count, using: &random)] ^= 1
        return changed
    }

    private func get(
        _ upstream: BreakingUpstream,
        _ request: DownloadRequest = DownloadRequest(method: .get),
        _ file: ExportFile = csv
    ) async throws -> (scene: Scene, bytes: [UInt8], error: (any Error)?) {
        let scene = Scene(settings: RelaySettings(), pauses: .endAtOnce, deadlines: .neverEnd)
        let response = try await scene.respond(to: request, for: file, from: upstream)
        let (bytes, _, error) = try #require(await response.body?.collected())
        return (scene, bytes, error)
    }

    @Test func theRestIsAskedForUnderTheValidator() async throws {
        let bytes = rows(200_000)
        let upstream = BreakingUpstream(bytes, breaks: [(50_000, .error), (30_000, .end)])
        let outcome = try await get(upstream)
        #expect(outcome.error == nil)
        #expect(outcome.bytes == bytes)
        #expect(
            upstream.requests == [
                nil, FileRange(first: 50_000, validator: "\"v1\""), FileRange(first: 80_000, validator: "\"v1\""),
            ]
        )
        #expect(outcome.scene.count("download_resumptions", "mode", "range") == 2)
        #expect(await outcome.scene.ledger.all.first?.resumptions == 2)
    }

    @Test func withoutRangesThePrefixIsProved() async throws {
        let bytes = rows(200_000)
        var manners = BreakingUpstream.Manners()
        manners.servesRanges = false
        let upstream = BreakingUpstream(bytes, manners, breaks: [(50_000, .error)])
        let outcome = try await get(upstream)
        #expect(outcome.bytes == bytes)
        #expect(outcome.scene.count("download_resumptions", "mode", "reread") == 1)
    }

    @Test func aFileThatChangedIsBroken() async throws {
        let bytes = rows(200_000)
        var other = bytes
        other[49_999] ^= 1
        let manners = BreakingUpstream.Manners(servesRanges: false, hasValidator: false)
        let outcome = try await get(BreakingUpstream(bytes, manners, breaks: [(50_000, .error)], next: other))
        #expect((outcome.error as? DownloadFailure)?.code == .upstreamChanged)
        #expect(outcome.bytes == Array(bytes.prefix(50_000)))
        #expect(outcome.scene.count("downloads_broken", "reason", "upstream-changed") == 1)
        #expect(await outcome.scene.ledger.all.first?.reason == "upstream-changed")
    }

    /// The file is exactly as long as announced, and the connection breaks before it ends: its digest tells that nothing
    /// is missing; without one, it is read again.
    @Test(arguments: [true, false])
    func aLostEndIsNoLoss(isDigestKnown: Bool) async throws {
        let bytes = rows(100_000)
        let digest = isDigestKnown ? Hexadecimal.encode(SHA256.hash(bytes)) : nil
        let file = ExportFile(id: "1", name: "a.csv", size: 100_000, sha256: digest)
        let script = ScriptedBytes([.bytes(bytes), .failure(ProviderError(.transient, "Reset."))])
        let again = ScriptedBytes(bytes, piece: 10_000)
        let scene = Scene(settings: RelaySettings(), pauses: .endAtOnce, deadlines: .neverEnd)
        let response = try await scene.respond(to: DownloadRequest(method: .get), for: file) { _ in
            FileBody(head: .init(), bytes: script.notes.pulled == 0 ? script : again)
        }
        let outcome = try #require(await response.body?.collected())
        #expect(outcome.error == nil)
        #expect(outcome.bytes == bytes)
        #expect((again.notes.pulled == 0) == isDigestKnown)
    }

    @Test func attemptsEnd() async throws {
        let bytes = rows(100_000)
        let upstream = BreakingUpstream(bytes, breaks: [(5000, .error)] + (0..<50).map { _ in (1, .error) })
        let outcome = try await get(upstream)
        #expect((outcome.error as? DownloadFailure)?.code == .upstreamFailed)
        #expect(upstream.requests.count == 7)
        #expect(outcome.bytes == Array(bytes.prefix(5006)))
    }

    @Test(arguments: [
        (ProviderError(.gone, "Gone."), 1), (ProviderError(.forbidden, "No."), 1),
        (ProviderError(.throttled, "Wait.", retryAfter: .seconds(3600)), 1),
        (ProviderError(.throttled, "Wait.", retryAfter: .seconds(3)), 6), (ProviderError(.transient, "Down."), 6),
    ])
    func reopeningMayFail(error: ProviderError, attempts: Int) async throws {
        let script = ScriptedBytes([.bytes(rows(5000)), .failure(ProviderError(.transient, "Reset."))])
        let scene = Scene(settings: RelaySettings(), pauses: .endAtOnce, deadlines: .neverEnd)
        let openings = Openings()
        let response = try await scene.respond(to: DownloadRequest(method: .get), for: csv) {
            _ async throws(GatewayError) in
            guard await openings.count() == 1 else { throw GatewayError(error) }
            return FileBody(head: .init(contentLength: 10_000), bytes: script)
        }
        let outcome = try #require(await response.body?.collected())
        // What the client sees is the break, whatever became of going on.
        #expect((outcome.error as? DownloadFailure)?.code == .upstreamFailed)
        #expect(await openings.all == 1 + attempts)
    }

    private actor Openings {
        private(set) var all = 0

        func count() -> Int {
            all += 1
            return all
        }
    }

    @Test func aSignInPageIsNotTheRest() async throws {
        let bytes = rows(50_000)
        let scene = Scene(settings: RelaySettings(), pauses: .endAtOnce, deadlines: .neverEnd)
        let openings = Openings()
        let script = ScriptedBytes([.bytes(Array(bytes.prefix(20_000))), .failure(ProviderError(.transient, "Reset."))])
        let response = try await scene.respond(to: DownloadRequest(method: .get), for: csv) { _ in
            switch await openings.count() {
            case 1: FileBody(head: .init(contentLength: 50_000), bytes: script)
            case 2: FileBody(head: .init(contentType: "text/html"), bytes: ScriptedBytes([.bytes([60])]))
            default: FileBody(head: .init(contentLength: 50_000), bytes: ScriptedBytes(bytes, piece: 9000))
            }
        }
        let outcome = try #require(await response.body?.collected())
        #expect(outcome.error == nil)
        #expect(outcome.bytes == bytes)
    }

    @Test func aCancelledWaitEndsIt() async throws {
        let scene = Scene(settings: RelaySettings())
        let script = ScriptedBytes([.bytes(rows(5000)), .failure(ProviderError(.transient, "Reset."))])
        let response = try await scene.get(csv, head: .init(contentLength: 9000), bytes: script)
        let body = try #require(response.body)
        let task = Task { try await body.write { _ in } }
        await scene.time.pauses(atLeast: 1)
        task.cancel()
        let result = await task.result
        let failure = #expect(throws: DownloadFailure.self) { try result.get() }
        #expect(failure?.code == .cancelled)
        #expect(await scene.ledger.all.map(\.reason) == ["cancelled"])
    }
}
