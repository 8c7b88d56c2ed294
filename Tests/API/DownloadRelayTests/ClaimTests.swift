import Exports
import ManualClock
import NIOCore
import Synchronization
import SystemCrypto
import Testing

@testable import DownloadRelay

/// What the record claims of a file and the upstream does not have.
@Suite(.timeLimit(.minutes(5))) struct ClaimTests {
    private static let right = Array("a,b\n1,2\n3,45\n".utf8)
    private static let digest = Hexadecimal.encode(SHA256.hash(right))
    private let scene = Scene(settings: RelaySettings(), pauses: .endAtOnce, deadlines: .neverEnd)

    private func file(
        size: Int64?,
        _ sizeState: ExportFile.State = .claimed,
        digest: String? = nil,
        _ digestState: ExportFile.State = .claimed
    ) -> ExportFile {
        var file = ExportFile(id: "1", name: "a.csv", size: size, sha256: digest)
        if size != nil { file.sizeState = sizeState }
        if digest != nil { file.digestState = digestState }
        return file
    }

    /// Opens one body after the other; the last one stays.
    private final class Openings: Sendable {
        private let bodies: [(length: Int64?, bytes: [UInt8])]
        private let count = Mutex(0)
        var opened: Int { count.withLock { $0 } }

        init(_ bodies: [(length: Int64?, bytes: [UInt8])]) { self.bodies = bodies }

        func open() -> FileBody {
            let number = count.withLock { count in
                defer { count += 1 }
                return min(count, bodies.count - 1)
            }
            return FileBody(
                head: FileBody.Head(contentLength: bodies[number].length),
                bytes: ScriptedBytes(bodies[number].bytes, piece: 4)
            )
        }
    }

    private func get(
        _ file: ExportFile,
        _ openings: Openings,
        _ request: DownloadRequest = DownloadRequest(method: .get)
    ) async throws(GatewayError) -> DownloadResponse {
        try await scene.respond(to: request, for: file) { _ in openings.open() }
    }

    private static func told(_ bytes: [UInt8]) -> (length: Int64?, bytes: [UInt8]) { (Int64(bytes.count), bytes) }
    private static func untold(_ bytes: [UInt8]) -> (length: Int64?, bytes: [UInt8]) { (nil, bytes) }

    @Test func aLengthThatIsToldTwiceOutweighsAClaim() async throws {
        let openings = Openings([Self.told(Self.right)])
        let response = try await get(file(size: 3, digest: String(repeating: "a", count: 64)), openings)
        #expect(openings.opened == 2)
        #expect(response.contentLength == 13)
        // Nothing of the record's claim goes out.
        #expect(response.field("Unencoded-Digest") == nil)
        #expect(response.field("ETag") == "W/\"\(scene.export.id).1\"")
        let body = try #require(response.body)
        #expect(await body.collected().bytes == Self.right)
        let reading = try #require(await scene.ledger.all.last?.readings.first)
        #expect(reading.size == 13 && reading.sha256 == Self.digest && reading.isDelivered)
        #expect(reading.claimedSize == nil)
    }

    @Test func oneWrongLengthIsNotTheNext() async throws {
        let openings = Openings([Self.told([1, 2]), Self.told(Self.right)])
        let response = try await get(file(size: 13, digest: Self.digest), openings)
        #expect(await response.body?.collected().bytes == Self.right)
        #expect(response.field("ETag")?.hasPrefix("W/") == false)
    }

    @Test func anUpstreamThatSaysSomethingElseEachTimeIsRefused() async throws {
        let openings = Openings([Self.told([1, 2]), Self.told([1])])
        let error = await #expect(throws: GatewayError.self) { try await get(file(size: 13), openings) }
        #expect(error?.code == .upstreamBroken)
        #expect(error?.retryAfter != nil)
    }

    @Test func whatIsConfirmedStandsAndTheOtherLengthIsEvidence() async throws {
        let openings = Openings([Self.told([1, 2])])
        let error = await #expect(throws: GatewayError.self) { try await get(file(size: 13, .confirmed), openings) }
        #expect(error?.code == .upstreamBroken)
        let row = try #require(await scene.ledger.all.last)
        #expect(row.outcome == .broken && row.reason == "size-mismatch" && row.bytesSent == 0)
        #expect(row.readings == [FileReading(of: file(size: 13), size: 2, sha256: nil, isDelivered: false)])
    }

    @Test(arguments: [ExportFile.State.claimed, .confirmed])
    func bytesThatRunOverAClaimBreakAndAreEvidence(_ state: ExportFile.State) async throws {
        let openings = Openings([Self.untold(Self.right)])
        let response = try await get(file(size: 9, state), openings)
        #expect(response.contentLength == 9)
        let got = try #require(await response.body?.collected())
        #expect((got.error as? DownloadFailure)?.code == .ranOver)
        #expect(got.bytes.count < 9)
        let reading = try #require(await scene.ledger.all.last?.readings.first)
        #expect(reading.size == nil && reading.claimedSize == 9 && !reading.isDelivered)
    }

    @Test func bytesThatEndProperlyTwiceAreEvidence() async throws {
        let openings = Openings([Self.untold(Self.right)])
        let response = try await get(file(size: 99), openings)
        let got = try #require(await response.body?.collected())
        #expect((got.error as? DownloadFailure)?.code == .endedEarly)
        #expect(openings.opened == 2)
        let reading = try #require(await scene.ledger.all.last?.readings.first)
        #expect(reading.size == 13 && reading.sha256 == Self.digest && !reading.isDelivered)
    }

    @Test func bytesThatOnlySeemedToEndGoOn() async throws {
        let openings = Openings([Self.untold(Array(Self.right.prefix(8))), Self.untold(Self.right)])
        let response = try await get(file(size: 13, digest: Self.digest), openings)
        #expect(await response.body?.collected().bytes == Self.right)
        let readings = await scene.ledger.all.last?.readings
        #expect(readings?.map(\.size) == [13])
        #expect(readings?.map(\.isDelivered) == [true])
    }

    /// Nothing has been sent then, and the record has to hear of it all the same.
    @Test func whatTheFirstBytesContradictIsEvidence() async throws {
        for (claimed, code) in [
            (file(size: 0), "ran-over"),
            (file(size: 13, digest: String(repeating: "a", count: 64), .confirmed), "digest-mismatch"),
        ] {
            let error = await #expect(throws: GatewayError.self) {
                try await scene.respond(to: DownloadRequest(method: .get), for: claimed) { _ in
                    FileBody(head: FileBody.Head(), bytes: ScriptedBytes([.bytes(Self.right)]))
                }
            }
            #expect(error?.code == .upstreamBroken)
            let row = try #require(await scene.ledger.all.last)
            #expect(row.reason == code)
            #expect(row.readings.count == 1)
        }
    }

    @Test func conditionsThatRestOnAClaimFallWithIt() async throws {
        let claimed = file(size: 3, digest: String(repeating: "a", count: 64))
        let tag = "\"\(scene.export.id).1.\(String(repeating: "a", count: 32))\""
        let openings = Openings([Self.told(Self.right)])
        let part = try await get(claimed, openings, DownloadRequest(method: .get, range: "bytes=1-", ifRange: tag))
        #expect(part.status == 200)
        #expect(await part.body?.collected().bytes == Self.right)
        let error = await #expect(throws: GatewayError.self) {
            try await get(claimed, openings, DownloadRequest(method: .get, ifMatch: tag))
        }
        #expect(error?.code == .preconditionFailed)
        // A part beyond the end that is claimed may be there.
        let beyond = try await get(claimed, openings, DownloadRequest(method: .get, range: "bytes=4-5"))
        #expect(beyond.status == 206)
        #expect(await beyond.body?.collected().bytes == Array(Self.right[4...5]))
    }

    @Test func whatOneDeliveryAloneStandsForIsNotCalledUnmodified() async throws {
        let tag = "\"\(scene.export.id).1.\(Self.digest.prefix(32))\""
        let request = DownloadRequest(method: .get, ifNoneMatch: tag)
        let openings = Openings([Self.told(Self.right)])
        #expect(try await get(file(size: 13, digest: Self.digest), openings, request).status == 200)
        #expect(try await get(file(size: 13, digest: Self.digest, .confirmed), openings, request).status == 304)
        #expect(try await get(file(size: 13, .confirmed, digest: Self.digest), openings, request).status == 304)
    }
}
