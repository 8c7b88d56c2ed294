import Exports
import NIOCore
import Testing
import ZlibReference
import ZstdReference

@testable import DownloadRelay

private struct ClientGone: Error {}

/// The bytes, and how they end.
@Suite struct DownloadBodyTests {
    static let sizes = [0, 1, 65_535, 65_536, 65_537, 10 << 20]

    @Test(arguments: sizes, [true, false])
    func identityIsExact(size: Int, isLengthKnown: Bool) async throws {
        let scene = Scene()
        let bytes = rows(size)
        let response = try await scene.get(
            csv,
            head: FileBody.Head(contentLength: isLengthKnown ? Int64(size) : nil),
            bytes: ScriptedBytes(bytes, piece: 30_011)
        )
        #expect(response.contentLength == (isLengthKnown ? Int64(size) : nil))
        let body = try #require(response.body)
        let outcome = await body.collected()
        #expect(outcome.error == nil)
        #expect(outcome.bytes == bytes)
        #expect(scene.downloads("whole") == 1)
        #expect(scene.downloadBytes("identity") == Int64(size))
    }

    @Test(arguments: sizes.flatMap { size in codings.map { (size, $0) } }, [true, false])
    func aCodingIsExact(sent: (size: Int, coding: String), isLengthKnown: Bool) async throws {
        let (size, coding) = sent
        let scene = Scene()
        let bytes = rows(size)
        let response = try await scene.get(
            csv,
            DownloadRequest(method: .get, acceptEncoding: coding),
            head: FileBody.Head(contentLength: isLengthKnown ? Int64(size) : nil),
            bytes: ScriptedBytes(bytes, piece: 30_011)
        )
        #expect(response.contentLength == nil)
        let body = try #require(response.body)
        var last: [UInt8]?
        let outcome = await body.collected(last: &last)
        #expect(outcome.error == nil && last == nil)
        #expect(decoded(outcome.bytes, coding) == bytes)
        // The length of the plain bytes, where it is known, is in zstd's header.
        if coding == "zstd" {
            #expect(ZstdHeader(outcome.bytes)?.length == (isLengthKnown || size == 0 ? UInt64(size) : nil))
        }
        #expect(scene.downloads("whole") == 1)
        #expect(scene.downloadBytes(coding) == Int64(outcome.bytes.count))
        #expect(scene.downloadBytes("identity") == 0)
    }

    @Test func largePiecesAreCut() async throws {
        let bytes = noise(1 << 20)
        let response = try await Scene().get(pst, bytes: ScriptedBytes([.bytes(bytes)]))
        let body = try #require(response.body)
        let outcome = await body.collected()
        #expect(outcome.bytes == bytes)
        #expect(outcome.largest == 512 << 10)
    }

    enum Harm: CaseIterable, Sendable {
        case endsEarly
        case fails
        case stallsAndFails
        case runsOverInTheLastPiece
        case runsOverAfterTheEnd
        case sizeOfTheRecordIsLarger
        case sizeOfTheRecordIsSmaller
    }

    static let reset = ProviderError(.transient, "The connection was reset.")

    @Test(arguments: Harm.allCases, [nil, "gzip", "zstd"])
    func brokenDownloadsNeverLookWhole(harm: Harm, acceptEncoding: String?) async throws {
        let scene = Scene()
        let good = rows(200_000)
        var announced: Int64? = Int64(good.count)
        var file = csv
        var script = ScriptedBytes(good, piece: 10_000)
        switch harm {
        case .endsEarly: script.steps.removeLast()
        case .fails: script.steps[15] = .failure(Self.reset)
        case .stallsAndFails:
            script.steps[15] = .failure(ProviderError(.transient, "Stalled.", problem: .upstreamTimeout))
            announced = nil
        case .runsOverInTheLastPiece: announced = Int64(good.count) - 1
        case .runsOverAfterTheEnd: script.steps += [.bytes([]), .bytes([0])]
        case .sizeOfTheRecordIsLarger:
            announced = nil
            file.size = Int64(good.count) + 1
        case .sizeOfTheRecordIsSmaller:
            announced = nil
            file.size = Int64(good.count) - 10_000
        }
        let response = try await scene.get(
            file,
            DownloadRequest(method: .get, acceptEncoding: acceptEncoding),
            head: FileBody.Head(contentLength: announced),
            bytes: script
        )
        let body = try #require(response.body)
        var last: [UInt8]?
        let outcome = await body.collected(last: &last)
        let failure = try #require(outcome.error as? DownloadFailure)
        switch harm {
        case .endsEarly, .sizeOfTheRecordIsLarger: #expect(failure.code == .endedEarly)
        case .fails, .stallsAndFails: #expect(failure.code == .upstreamFailed && failure.cause is ProviderError)
        case .runsOverAfterTheEnd, .runsOverInTheLastPiece, .sizeOfTheRecordIsSmaller:
            #expect(failure.code == .ranOver)
        }
        // Less than Content-Length, or no complete encoding: a client sees it whatever the server does next.
        if let length = response.contentLength {
            #expect(Int64(outcome.bytes.count) < length)
        }
        if acceptEncoding == nil {
            #expect(good.starts(with: outcome.bytes))
            #expect(last == nil)
        } else {
            #expect(decoded(outcome.bytes, acceptEncoding) == nil)
            #expect(last?.suffix(16) == Array(repeating: 0b111, count: 16)[...])
        }
        #expect(scene.downloads("broken") == 1)
        #expect(scene.downloads("whole") == 0)
        #expect(script.notes.isLetGo)
    }

    /// How many pieces of 64 KiB are taken from the upstream before the client has them: with a coding three blocks in flight,
    /// the one that is being filled, and the piece that did not fit.
    private func piecesAhead(_ acceptEncoding: String?) -> Int { acceptEncoding == nil ? 2 : 4 * 4 + 1 }

    @Test(arguments: [nil, "gzip", "zstd"])
    func aSlowReaderSlowsTheUpstreamDown(acceptEncoding: String?) async throws {
        // Noise: what comes out of a coding is as long as what goes in.
        let piece = 64 << 10
        let script = ScriptedBytes(noise(40 * piece), piece: piece)
        let response = try await Scene(settings: RelaySettings(gzipThreads: 1))
            .get(csv, DownloadRequest(method: .get, acceptEncoding: acceptEncoding), bytes: script)
        #expect(script.notes.pulled == 1)
        let body = try #require(response.body)
        var delivered = 0
        var furthestAhead = 0
        try await body.write {
            furthestAhead = max(furthestAhead, script.notes.pulled - delivered / piece)
            delivered += $0.readableBytes
        }
        #expect(delivered >= 40 * piece)
        #expect(furthestAhead <= piecesAhead(acceptEncoding))
    }

    @Test(arguments: [nil, "gzip", "zstd"])
    func aGoneClientEndsTheReading(acceptEncoding: String?) async throws {
        let scene = Scene(settings: RelaySettings(gzipThreads: 1))
        let script = ScriptedBytes(noise(40 << 16), piece: 1 << 16)
        let response = try await scene.get(
            csv,
            DownloadRequest(method: .get, acceptEncoding: acceptEncoding),
            bytes: script
        )
        let body = try #require(response.body)
        var taken = 0
        var delivered = 0
        await #expect(throws: ClientGone.self) {
            try await body.write {
                taken += 1
                if taken == 3 { throw ClientGone() }
                delivered += $0.readableBytes
            } finish: { _ in
            } breakOff: { _ in
                Issue.record("nobody reads it")
            }
        }
        #expect(taken == 3)
        #expect(script.notes.pulled <= piecesAhead(acceptEncoding) + delivered >> 16 + 1)
        #expect(script.notes.isLetGo)
        #expect(scene.downloads("abandoned") == 1)
        #expect(scene.downloads("broken") == 0)
        #expect(delivered > 0)
        #expect(scene.downloadBytes(acceptEncoding ?? "identity") == delivered)
    }

    @Test(arguments: [nil, "gzip", "zstd"])
    func aCancelledTaskIsABrokenDownload(acceptEncoding: String?) async throws {
        let scene = Scene()
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
        #expect(scene.downloads("broken") == 1)
        #expect(script.notes.isLetGo)
    }

    /// The task ends while the client is waited for: that is no wish of the client's.
    @Test(arguments: [nil, "gzip", "zstd"])
    func aTaskThatIsCancelledWhileTheClientIsSlowIsABrokenDownload(acceptEncoding: String?) async throws {
        let scene = Scene()
        let request = DownloadRequest(method: .get, acceptEncoding: acceptEncoding)
        let response = try await scene.get(csv, request, bytes: ScriptedBytes(rows(1_000_000), piece: 100_000))
        let body = try #require(response.body)
        let (reached, reach) = AsyncStream.makeStream(of: Void.self)
        let task = Task { () -> [UInt8]? in
            var last: [UInt8]?
            await #expect(throws: DownloadFailure.self) {
                try await body.write { _ in
                    reach.yield()
                    try await Task.sleep(for: .seconds(3600))
                } finish: { _ in
                } breakOff: {
                    last = Array($0.readableBytesView)
                }
            }
            return last
        }
        for await _ in reached { break }
        task.cancel()
        #expect((await task.value != nil) == (acceptEncoding != nil))
        #expect(scene.downloads("broken") == 1 && scene.downloads("abandoned") == 0)
    }

    @Test func theBytesCanBeReadOnce() async throws {
        let scene = Scene()
        let response = try await scene.get(pst, bytes: ScriptedBytes([.bytes([1])]))
        let body = try #require(response.body)
        #expect(await body.collected().bytes == [1])
        let again = await body.collected()
        #expect((again.error as? DownloadFailure)?.code == .alreadyWritten)
        #expect(again.bytes.isEmpty)
        #expect(scene.downloads("whole") == 1)
    }
}
