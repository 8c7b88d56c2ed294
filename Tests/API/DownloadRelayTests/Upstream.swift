import Exports
import JSON
import Logging
import ManualClock
import Memory
import MetricsTestKit
import NIOCore
import Synchronization
import TestSupport
import ZlibReference
import ZstdReference

@testable import DownloadRelay

/// What an upstream does next while its bytes are read.
enum Step: Sendable {
    case bytes([UInt8])
    case failure(any Error)
    /// Sends nothing until the reader gives up.
    case silence
}

/// An upstream's body that follows a script and notes what its reader does.
struct ScriptedBytes: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    typealias Failure = any Error

    final class Notes: Sendable {
        private let state = Mutex((pulled: 0, isLetGo: false))

        var pulled: Int { state.withLock(\.pulled) }
        var isLetGo: Bool { state.withLock(\.isLetGo) }
        func countPull() { state.withLock { $0.pulled += 1 } }
        func letGo() { state.withLock { $0.isLetGo = true } }
    }

    /// Lives as long as the iterator.
    private final class Lease: Sendable {
        let notes: Notes
        init(_ notes: Notes) { self.notes = notes }
        deinit { notes.letGo() }
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        private let lease: Lease
        private var steps: ArraySlice<Step>

        fileprivate init(_ steps: [Step], _ notes: Notes) {
            lease = Lease(notes)
            self.steps = steps[...]
        }

        mutating func next() async throws -> ByteBuffer? {
            switch steps.popFirst() {
            case nil:
                return nil
            case .bytes(let bytes):
                lease.notes.countPull()
                return ByteBuffer(bytes: bytes)
            case .failure(let error):
                throw error
            case .silence:
                try await ManualTime().sleep(for: .seconds(1))
                return nil
            }
        }
    }

    var steps: [Step]
    let notes = Notes()

    init(_ steps: [Step]) {
        self.steps = steps
    }

    /// The bytes in pieces.
    init(_ bytes: [UInt8], piece: Int) {
        steps = stride(from: 0, to: bytes.count, by: piece)
            .map { .bytes(Array(bytes[$0..<Swift.min(bytes.count, $0 + piece)])) }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(steps, notes) }
}

/// A relay with its surroundings, and one export to ask it for.
struct Scene {
    let time: ManualTime
    let metrics = TestMetrics()
    let relay: DownloadRelay
    let export: Export
    let ledger = Deliveries()

    /// - Parameters:
    ///   - settings: Without resumption, unless a test is about that.
    ///   - pauses: What becomes of the relay's pauses.
    ///   - deadlines: What becomes of its time limits.
    init(
        settings: RelaySettings = .withoutResumption,
        pauses: ManualTime.Waits = .endWhenAdvanced,
        deadlines: ManualTime.Waits = .endWhenAdvanced
    ) {
        time = ManualTime(pauses: pauses, deadlines: deadlines)
        relay = DownloadRelay(
            settings: settings,
            memory: MemoryBudget(total: 1 << 30, metrics: metrics),
            time: time,
            random: { 42 },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            metrics: metrics
        )
        var random = SeededRandom(seed: 7)
        let now = Timestamp(milliseconds: 1_780_000_000_000)
        export = Export(
            id: ExportID(at: now, random: &random),
            provider: ProviderID("power-bi"),
            connection: "reports",
            name: "Sales",
            createdAt: now,
            createdBy: "test",
            source: .object([:])
        )
    }

    /// Asks for a file whose body is `bytes`.
    func get(
        _ file: ExportFile,
        _ request: DownloadRequest = DownloadRequest(method: .get),
        head: FileBody.Head = FileBody.Head(),
        bytes: ScriptedBytes
    ) async throws(GatewayError) -> DownloadResponse {
        try await respond(to: request, for: file) { _ in FileBody(head: head, bytes: bytes) }
    }

    /// Asks for a file that is opened by `open`.
    func respond(
        to request: DownloadRequest,
        for file: ExportFile,
        open: @escaping @Sendable (FileRange?) async throws(GatewayError) -> FileBody
    ) async throws(GatewayError) -> DownloadResponse {
        let ledger = ledger
        let recipient = Recipient(caller: "auditor", requestID: "r-1") { await ledger.record($0) }
        return try await relay.response(to: request, for: file, of: export, to: recipient, open: open)
    }

    /// Asks for a file that must not be opened.
    func ask(_ file: ExportFile, _ request: DownloadRequest) async throws(GatewayError) -> DownloadResponse {
        try await respond(to: request, for: file) { _ async throws(GatewayError) in
            throw GatewayError(.internalError, "The upstream was called.")
        }
    }

    /// Asks for a file that `upstream` has.
    func respond(
        to request: DownloadRequest,
        for file: ExportFile,
        from upstream: BreakingUpstream
    ) async throws(GatewayError) -> DownloadResponse {
        try await respond(to: request, for: file) { range throws(GatewayError) in try upstream.open(range) }
    }

    func count(_ name: String, _ dimension: String, _ value: String) -> Int64 {
        metrics.counterTotal(label: "export_gateway_\(name)_total", dimensions: [(dimension, value)])
    }

    func downloads(_ outcome: String) -> Int64 {
        metrics.counterTotal(label: "export_gateway_downloads_total", dimensions: [("outcome", outcome)])
    }

    func downloadBytes(_ coding: String) -> Int64 {
        metrics.counterTotal(label: "export_gateway_download_bytes_total", dimensions: [("coding", coding)])
    }
}

extension RelaySettings {
    static var withoutResumption: RelaySettings {
        var settings = RelaySettings()
        settings.resumeAttempts = 0
        return settings
    }
}

/// What was stored of downloads.
actor Deliveries {
    /// Those that have ended.
    private(set) var all: [Delivery] = []
    /// Those that are under way.
    private(set) var begun: [Delivery] = []
    /// The ids of all that began.
    nonisolated let beginnings = Events<ExportID>()

    func record(_ delivery: Delivery) {
        // Whoever calls must not do so in a task that is cancelled: what writes a ledger would give up.
        precondition(!Task.isCancelled)
        if delivery.outcome == .underWay {
            begun.append(delivery)
            beginnings.add(delivery.id)
        } else {
            // Each has begun, once, but for one that was refused because of what was found before its first byte.
            let beginnings = begun.filter { $0.id == delivery.id }.count
            precondition(beginnings == 1 || (beginnings == 0 && delivery.outcome == .broken && delivery.bytesSent == 0))
            begun.removeAll { $0.id == delivery.id }
            all.append(delivery)
        }
    }
}

extension DownloadResponse {
    func field(_ name: String) -> String? {
        headers.first { $0.name == name }?.value
    }
}

extension DownloadContent {
    /// Without an interest in trailer fields.
    func write(_ sink: (ByteBuffer) async throws -> Void) async throws {
        try await write(sink, finish: { _ in })
    }

    /// Without an interest in what follows a break.
    func write(
        _ sink: (ByteBuffer) async throws -> Void,
        finish: (_ trailers: [(name: String, value: String)]) async throws -> Void
    ) async throws {
        try await write(sink, finish: finish, breakOff: { _ in })
    }

    /// Everything it hands over, and how it ended.
    func collected() async -> (bytes: [UInt8], largest: Int, error: (any Error)?) {
        var last: [UInt8]?
        return await collected(last: &last)
    }

    /// The same, with what is to follow a break.
    func collected(last: inout [UInt8]?) async -> (bytes: [UInt8], largest: Int, error: (any Error)?) {
        var bytes: [UInt8] = []
        var largest = 0
        last = nil
        do {
            try await write {
                bytes += Array($0.readableBytesView)
                largest = max(largest, $0.readableBytes)
            } finish: { _ in
            } breakOff: {
                last = Array($0.readableBytesView)
            }
            return (bytes, largest, nil)
        } catch {
            return (bytes, largest, error)
        }
    }
}

let csv = ExportFile(id: "1", name: "sales.csv")
let pst = ExportFile(id: "1", name: "mails.ost")
/// The content codings that are offered, as clients name them.
let codings = ["gzip", "zstd"]
let acceptingGzip = DownloadRequest(method: .get, acceptEncoding: "gzip, deflate, br")

/// The file, if `bytes` are all of it in a coding; nil for anything else.
func decoded(_ bytes: [UInt8], _ coding: String?) -> [UInt8]? {
    switch coding {
    case "gzip": gunzip(bytes)
    case "zstd": unzstd(bytes)
    default: bytes
    }
}
