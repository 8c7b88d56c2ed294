import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// A response body that is being sent: counts its bytes and reports once how it ended.
///
/// A body that is released without an end was broken off, even before its first byte: Hummingbird does not begin a body when the
/// client has left before the head.
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

    /// Whether any bytes were sent.
    var hasBegun: Bool { state.withLock { $0.bytes > 0 } }

    /// Nothing more is sent. Only the first call counts.
    func end(complete: Bool) {
        let bytes = state.withLock { state -> Int64? in
            defer { state.isOver = true }
            return state.isOver ? nil : state.bytes
        }
        if let bytes { report(bytes, complete) }
    }
}

/// Passes a response body on, counts its bytes, and waits when too many bytes are pending.
struct CountingWriter: ResponseBodyWriter {
    var parent: any ResponseBodyWriter
    let transfer: Transfer
    /// Nil where its source bounds what is pending.
    let backlog: Backlog?

    mutating func write(_ buffer: ByteBuffer) async throws {
        let bytes = buffer.readableBytes
        try await parent.write(buffer)
        transfer.add(bytes)
        try await backlog?.wrote(bytes)
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        try await parent.finish(trailingHeaders)
    }
}
