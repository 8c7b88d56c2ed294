import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// A response body on its way: counts its bytes and reports once how it ended.
///
/// A body that is let go of was cut off, even before its first byte: Hummingbird does not begin with a body when the client
/// has gone before the head.
final class Transfer: Sendable {
    private struct State {
        var bytes: Int64 = 0
        var isOver = false
    }

    private let state = Mutex(State())
    private let report: @Sendable (_ bytes: Int64, _ complete: Bool) -> Void

    /// Reports the bytes sent, and whether they were all.
    init(report: @escaping @Sendable (_ bytes: Int64, _ complete: Bool) -> Void) {
        self.report = report
    }

    deinit { end(complete: false) }

    /// More bytes were sent.
    func add(_ bytes: Int) { state.withLock { $0.bytes += Int64(bytes) } }

    /// Nothing more is sent. Only the first call counts.
    func end(complete: Bool) {
        let bytes = state.withLock { state -> Int64? in
            defer { state.isOver = true }
            return state.isOver ? nil : state.bytes
        }
        if let bytes { report(bytes, complete) }
    }
}

/// Passes a response body on, counts its bytes, and never gets far ahead of the connection.
struct CountingWriter: ResponseBodyWriter {
    /// How many bytes may be on their way to the connection's event loop.
    private static let longestLead = 256 << 10

    var parent: any ResponseBodyWriter
    let transfer: Transfer
    let eventLoop: any EventLoop
    private var lead = 0

    init(parent: any ResponseBodyWriter, transfer: Transfer, eventLoop: any EventLoop) {
        self.parent = parent
        self.transfer = transfer
        self.eventLoop = eventLoop
    }

    mutating func write(_ buffer: ByteBuffer) async throws {
        let bytes = buffer.readableBytes
        try await parent.write(buffer)
        transfer.add(bytes)
        // What is written becomes work for the event loop, and the writer is held back only when that was done: while the
        // loop is busy elsewhere, a fast upstream would pile up megabytes there. Its work is done in order, so that
        // what was written before this has reached the socket, or its queue, after it.
        lead += bytes
        guard lead >= Self.longestLead else { return }
        lead = 0
        try await eventLoop.submit {}.get()
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        try await parent.finish(trailingHeaders)
    }
}
