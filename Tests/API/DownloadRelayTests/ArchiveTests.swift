import Exports
import NIOCore
import ParallelGzip
import StoredZip
import Synchronization
import SystemCrypto
import Testing

@testable import DownloadRelay

/// All files of an export as one archive. What the archive itself looks like is for the tests of `StoredZip`, and for the
/// programs that read it in the tests of the whole.
@Suite struct ArchiveTests {
    private static let accepting = DownloadRequest(method: .get)

    /// An export with these files, and what its upstream sends of each.
    private func world(
        _ files: [(name: String, size: Int64?, steps: [Step])],
        perCaller: Int = 512
    ) -> (Scene, Export, Opened) {
        var settings = RelaySettings.withoutResumption
        settings.perCaller = perCaller
        let scene = Scene(settings: settings)
        var export = scene.export
        export.files = files.enumerated().map { ExportFile(id: "\($0 + 1)", name: $1.name, size: $1.size) }
        let bodies = files.map { ScriptedBytes($0.steps) }
        return (scene, export, Opened(bodies))
    }

    /// Opens each file as often as it is asked for, and notes when.
    private final class Opened: Sendable {
        let bodies: [ScriptedBytes]
        private let ids = Mutex<[String]>([])
        var all: [String] { ids.withLock { $0 } }

        init(_ bodies: [ScriptedBytes]) { self.bodies = bodies }

        func open(_ file: ExportFile) throws(GatewayError) -> FileBody {
            ids.withLock { $0.append(file.id) }
            guard let number = Int(file.id), bodies.indices.contains(number - 1) else {
                throw GatewayError(.notFound, "There is no such file.")
            }
            return FileBody(head: FileBody.Head(contentLength: file.size), bytes: bodies[number - 1])
        }
    }

    private func archive(
        _ scene: Scene,
        _ export: Export,
        _ opened: Opened,
        _ request: DownloadRequest = accepting
    ) async throws(GatewayError) -> DownloadResponse {
        let ledger = scene.ledger
        let recipient = Recipient(caller: "auditor", requestID: "r-1") { await ledger.record($0) }
        return try await scene.relay.archive(to: request, of: export, to: recipient) { file, _ throws(GatewayError) in
            try opened.open(file)
        }
    }

    private func bytes(_ text: String) -> [Step] { [.bytes(Array(text.utf8))] }

    /// The same archive, made without the relay; `told` are those whose headers tell of their bytes.
    private func expected(_ export: Export, _ contents: [(String, String)], told: Set<String> = []) throws -> [UInt8] {
        var (zip, bytes) = (StoredZip(), ByteBuffer())
        for (name, content) in contents {
            let seconds = export.createdAt.milliseconds / 1000
            let member = try #require(ZipMember(name: name, modified: seconds))
            let known = ZipContent(length: UInt64(content.utf8.count), checksum: checksum(content))
            bytes.writeImmutableBuffer(zip.begin(member, content: told.contains(name) ? known : nil))
            zip.add(ByteBuffer(string: content))
            bytes.writeString(content)
        }
        while let piece = zip.directory() { bytes.writeImmutableBuffer(piece) }
        return Array(bytes.readableBytesView)
    }

    @Test(arguments: [true, false]) func allFilesComeInOrder(sizesAreKnown: Bool) async throws {
        let contents = ["first,file\n", "", "third"]
        let (scene, export, opened) = world(
            contents.enumerated().map { ("a.csv", sizesAreKnown ? Int64($1.utf8.count) : nil, bytes($1)) }
        )
        let answer = try await archive(scene, export, opened)
        #expect(opened.all == ["1"])
        #expect(answer.status == 200)
        #expect(answer.field("Content-Type") == "application/zip")
        #expect(answer.field("Content-Disposition")?.contains("filename=\"Sales.zip\"") == true)
        #expect(answer.field("Content-Encoding") == nil)
        #expect(answer.field("Accept-Ranges") == "none")
        #expect(answer.field("Vary") == "Accept, Accept-Encoding")
        #expect(answer.field("ETag")?.hasPrefix("W/\"") == true)

        let body = try #require(answer.body)
        let got = await body.collected()
        #expect(got.error == nil)
        let wanted = try expected(export, Array(zip(["a.csv", "a (2).csv", "a (3).csv"], contents)))
        #expect(got.bytes == wanted)
        #expect(answer.contentLength == (sizesAreKnown ? Int64(wanted.count) : nil))
        #expect(opened.all == ["1", "2", "3"])
        #expect(opened.bodies.allSatisfy { $0.notes.isLetGo })

        let delivery = try #require(await scene.ledger.all.first)
        #expect(await scene.ledger.all.count == 1)
        #expect(delivery.fileID == nil && delivery.coding == "zip" && delivery.outcome == .whole)
        #expect(delivery.bytesSent == Int64(wanted.count))
        #expect(delivery.fileBytes == Int64(contents.joined().utf8.count))
        #expect(delivery.sha256 == nil)
        #expect(scene.downloads("whole") == 1)
        #expect(scene.downloadBytes("zip") == Int64(wanted.count))
    }

    private func checksum(_ text: String) -> UInt32 {
        var checksum = CRC32()
        Array(text.utf8).withUnsafeBytes { checksum.update($0) }
        return checksum.value
    }

    /// The file as it is known after two whole deliveries of `text`.
    private func confirm(_ file: inout ExportFile, as text: String) {
        file.size = Int64(text.utf8.count)
        file.sizeState = .confirmed
        file.sha256 = Hexadecimal.encode(SHA256.hash(Array(text.utf8)))
        file.digestState = .confirmed
        file.crc32 = checksum(text)
    }

    private func collected(_ answer: DownloadResponse) async throws -> (bytes: [UInt8], error: (any Error)?) {
        let body = try #require(answer.body)
        let outcome = await body.collected()
        return (outcome.bytes, outcome.error)
    }

    @Test func whatIsConfirmedStandsBeforeTheBytes() async throws {
        let contents = ["first", "second", "third", "fourth"]
        let (scene, made, opening) = world(contents.enumerated().map { ("\($0)", nil, bytes($1)) })
        var (export, opened) = (made, opening)
        for index in contents.indices { confirm(&export.files[index], as: contents[index]) }
        // Each of these is known less well.
        export.files[1].sizeState = .claimed
        export.files[2].digestState = .claimed
        let answer = try await archive(scene, export, opened)
        let got = try await collected(answer)
        #expect(got.error == nil)
        let named = Array(zip(["0", "1", "2", "3"], contents))
        let wanted = try expected(export, named, told: ["0", "3"])
        #expect(got.bytes == wanted)
        #expect(answer.contentLength == Int64(wanted.count))
        let delivery = try #require(await scene.ledger.all.last)
        #expect(delivery.readings.map(\.crc32) == contents.map { checksum($0) })
        export.files[0].crc32 = nil
        opened = Opened(opened.bodies)
        let less = try await collected(try await archive(scene, export, opened))
        let wantedOfLess = try expected(export, named, told: ["3"])
        #expect(less.bytes == wantedOfLess)
    }

    /// The digest is right, and the checksum beside it in the record is not: the header has told something wrong.
    @Test func bytesThatAreNotAsToldBreakTheArchive() async throws {
        let (scene, made, opening) = world([("a", nil, bytes("x")), ("b", nil, bytes("yy"))])
        var (export, opened) = (made, opening)
        for (index, text) in ["x", "yy"].enumerated() { confirm(&export.files[index], as: text) }
        export.files[0].crc32 = 7
        let got = try await collected(try await archive(scene, export, opened))
        #expect((got.error as? DownloadFailure)?.code == .digestMismatch)
        #expect(opened.all == ["1"])
        #expect(!String(decoding: got.bytes, as: UTF8.self).contains("PK\u{1}\u{2}"))
        // What was read corrects the record.
        let delivery = try #require(await scene.ledger.all.last)
        #expect(delivery.outcome == .broken && delivery.readings.map(\.crc32) == [checksum("x")])
        export.files[0].crc32 = delivery.readings[0].crc32
        opened = Opened(opened.bodies)
        let again = try await collected(try await archive(scene, export, opened))
        #expect(again.error == nil)
    }

    @Test func headAndGetAgree() async throws {
        let (scene, unknown, opened) = world([("a", 1, bytes("x")), ("b", 2, bytes("yy"))])
        var export = unknown
        for (index, content) in ["x", "yy"].enumerated() {
            export.files[index].sha256 = Hexadecimal.encode(SHA256.hash(Array(content.utf8)))
            export.files[index].digestState = .confirmed
        }
        let head = try await archive(scene, export, opened, DownloadRequest(method: .head))
        #expect(opened.all == [] && head.body == nil)
        let get = try await archive(scene, export, opened)
        #expect(head.status == 200 && head.contentLength == get.contentLength)
        #expect(head.headers.map(\.name) == get.headers.map(\.name))
        #expect(head.headers.map(\.value) == get.headers.map(\.value))
        let tag = try #require(head.field("ETag"))
        for known in [tag, "*", "\"other\", \(tag)", String(tag.dropFirst(2))] {
            let again = try await archive(scene, export, opened, DownloadRequest(method: .get, ifNoneMatch: known))
            #expect(again.status == 304 && again.body == nil)
            #expect(again.field("ETag") == tag && again.field("Vary") == "Accept, Accept-Encoding")
        }
        #expect(
            try await archive(scene, export, opened, DownloadRequest(method: .get, ifNoneMatch: "\"x\"")).status == 200
        )
    }

    @Test func theTagIsThatOfTheMembers() async throws {
        func tag(_ change: (inout Export) -> Void) async throws -> String? {
            let (scene, export, opened) = world([("a", 1, []), ("b", 2, [])])
            var changed = export
            change(&changed)
            return try await archive(scene, changed, opened, DownloadRequest(method: .head)).field("ETag")
        }
        let first = try await tag { _ in }
        #expect(try await tag { $0.revision += 1 } == first)
        #expect(try await tag { $0.files[1].size = 3 } != first)
        #expect(try await tag { $0.files[1].sha256 = String(repeating: "a", count: 64) } != first)
        #expect(try await tag { $0.files[1].name = "c" } != first)
        #expect(try await tag { $0.files.removeLast() } != first)
        #expect(try await tag { $0.files.swapAt(0, 1) } != first)
    }

    @Test func anArchiveHasNoCodingAndNoStrongTag() async throws {
        let (scene, export, opened) = world([("a.csv", 5000, [.bytes(Array(repeating: 0x61, count: 5000))])])
        let plain = try await archive(
            scene,
            export,
            opened,
            DownloadRequest(method: .get, acceptEncoding: "gzip", range: "bytes=0-1")
        )
        #expect(plain.status == 200 && plain.field("Content-Encoding") == nil)
        let refused = await #expect(throws: GatewayError.self) {
            try await archive(
                scene,
                export,
                opened,
                DownloadRequest(method: .get, acceptEncoding: "gzip, identity;q=0")
            )
        }
        #expect(refused?.code == .notAcceptable)
        let unmatched = await #expect(throws: GatewayError.self) {
            try await archive(scene, export, opened, DownloadRequest(method: .get, ifMatch: plain.field("ETag")))
        }
        #expect(unmatched?.code == .preconditionFailed)
        #expect(try await archive(scene, export, opened, DownloadRequest(method: .get, ifMatch: "*")).status == 200)
    }

    /// What can go wrong with the second of three files, and why the archive is broken then.
    @Test(arguments: [
        ([Step.bytes([1, 2])], "ended-early"), ([.bytes([1, 2, 3, 4])], "ran-over"),
        ([.bytes([1]), .failure(ProviderError(.transient, "Broke off."))], "upstream-failed"), ([], "ended-early"),
    ])
    func aFileThatBreaksBreaksTheArchive(_ steps: [Step], reason: String) async throws {
        let (scene, export, opened) = world([("a", 1, bytes("x")), ("b", 3, steps), ("c", 1, bytes("z"))])
        let body = try #require(try await archive(scene, export, opened).body)
        let got = await body.collected()
        #expect((got.error as? DownloadFailure) != nil)
        // Neither the directory nor the third file.
        let text = String(decoding: got.bytes, as: UTF8.self)
        #expect(!text.contains("PK\u{1}\u{2}") && !text.contains("PK\u{5}\u{6}"))
        #expect(opened.all == ["1", "2"])
        let delivery = try #require(await scene.ledger.all.first)
        #expect(delivery.outcome == .broken && delivery.bytesSent == Int64(got.bytes.count))
        #expect(scene.downloads("broken") == 1)
        #expect(opened.bodies[1].notes.isLetGo)
        #expect(delivery.reason == reason)
    }

    @Test func aFirstFileThatBreaksAtOnceIsAProblem() async throws {
        let (scene, export, opened) = world([("a", 3, bytes("xxxx")), ("b", 1, bytes("z"))])
        let error = await #expect(throws: GatewayError.self) { try await archive(scene, export, opened) }
        #expect(error?.code == .upstreamBroken)
        #expect(await scene.ledger.all.isEmpty)
    }

    /// Whether or not the upstream says now how long the file is.
    @Test(arguments: [(Int64?(1), Int64(7)), (nil, 7), (nil, 0)])
    func aWrongSizeThatAnUpstreamToldOnceIsDiscarded(announced: Int64?, wrong: Int64) async throws {
        let (scene, export, _) = world([("a", nil, [])])
        scene.relay.known.note(FileFacts(size: wrong), of: export.files[0], in: export.id)
        /// What went wrong, before or after the first bytes.
        func archived() async -> (any Error)? {
            let recipient = Recipient(caller: "auditor", requestID: "r-1") { _ in }
            do throws(GatewayError) {
                let answer = try await scene.relay.archive(to: Self.accepting, of: export, to: recipient) { _, _ in
                    FileBody(head: FileBody.Head(contentLength: announced), bytes: ScriptedBytes([.bytes([0x78])]))
                }
                return await answer.body?.collected().error
            } catch {
                return error
            }
        }
        // Two openings outweigh it before anything has been sent; bytes that do not fit are seen too late for that.
        if announced == nil { #expect(await archived() != nil) }
        #expect(await archived() == nil)
    }

    /// The length of an archive that was announced cannot change any more: the record is corrected for the next one.
    @Test func anotherLengthInTheMiddleBreaksTheArchiveAndIsEvidence() async throws {
        let (scene, export, _) = world([("a", 1, []), ("b", 3, [])])
        let ledger = scene.ledger
        let recipient = Recipient(caller: "auditor", requestID: "r-1") { await ledger.record($0) }
        let answer = try await scene.relay.archive(to: Self.accepting, of: export, to: recipient) { file, _ in
            let bytes: [UInt8] = file.id == "1" ? [1] : [1, 2]
            return FileBody(
                head: FileBody.Head(contentLength: Int64(bytes.count)),
                bytes: ScriptedBytes([.bytes(bytes)])
            )
        }
        let got = try #require(await answer.body?.collected())
        #expect((got.error as? DownloadFailure)?.code == .sizeMismatch)
        let row = try #require(await scene.ledger.all.last)
        #expect(row.reason == "size-mismatch")
        #expect(row.readings.map(\.fileID) == ["1", "2"])
        #expect(row.readings.map(\.size) == [1, 2])
        #expect(row.readings.map(\.isDelivered) == [true, false])
    }

    @Test func whatIsKnownOfAFileStaysWhenItMayNotBeRead() async throws {
        let (scene, export, _) = world([("a", nil, [])])
        scene.relay.known.note(FileFacts(size: 7), of: export.files[0], in: export.id)
        let recipient = Recipient(caller: "auditor", requestID: "r-1") { _ in }
        await #expect(throws: GatewayError.self) {
            try await scene.relay.archive(to: Self.accepting, of: export, to: recipient) { _, _ throws(GatewayError) in
                throw GatewayError(.upstreamAuthorizationRequired, "Send a token.")
            }
        }
        #expect(scene.relay.known.facts(of: export.files[0], in: export.id)?.size == 7)
    }

    @Test func aGoneClientEndsTheReading() async throws {
        let (scene, export, opened) = world([("a", nil, bytes("x")), ("b", nil, bytes("y"))])
        let body = try #require(try await archive(scene, export, opened).body)
        struct Gone: Error {}
        var pieces = 0
        await #expect(throws: Gone.self) {
            try await body.write { _ in
                pieces += 1
                if pieces == 3 { throw Gone() }
            }
        }
        #expect(opened.bodies[0].notes.isLetGo)
        let delivery = try #require(await scene.ledger.all.first)
        #expect(delivery.outcome == .abandoned)
        #expect(scene.downloads("abandoned") == 1)
        await #expect(throws: DownloadFailure.self) { try await body.write { _ in } }
    }

    @Test func memoryIsTakenForWhatIsSentOnly() async throws {
        let (scene, export, opened) = world(
            [("a", 1, bytes("x")), ("b", 1, bytes("y"))],
            perCaller: 1
        )
        let first = try await archive(scene, export, opened)
        let refused = await #expect(throws: GatewayError.self) { try await archive(scene, export, opened) }
        #expect(refused?.code == .tooManyRequests)
        #expect(opened.all == ["1"])
        // The others are asked nothing.
        _ = try await archive(scene, export, opened, DownloadRequest(method: .head))
        let file = await #expect(throws: GatewayError.self) { try await scene.get(csv, bytes: ScriptedBytes([])) }
        #expect(file?.code == .tooManyRequests)

        _ = await first.body?.collected()
        _ = try await archive(scene, export, opened)
        // The answer above was let go of unused.
        let again = try await scene.get(csv, bytes: ScriptedBytes([]))
        struct Gone: Error {}
        await #expect(throws: Gone.self) { try await again.body?.write({ _ in }, finish: { _ in throw Gone() }) }
        _ = try await scene.get(csv, bytes: ScriptedBytes([]))
    }
}
