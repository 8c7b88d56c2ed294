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
        /// Of these, the bytes that were told while they were sent.
        var told: Int64 = 0
        var isOver = false

        /// The bytes that are to be told now.
        mutating func news(atLeast least: Int64) -> Int64 {
            let news = bytes - told
            guard news >= least else { return 0 }
            told = bytes
            return news
        }
    }

    private let state = Mutex(State())
    private let report: @Sendable (_ bytes: Int64, _ complete: Bool) -> Void

    private let count: (@Sendable (Int64) -> Void)?
    /// After how many bytes they are told.
    static let step: Int64 = 1 << 20

    /// Reports the bytes sent, and whether they were all.
    ///
    /// - Parameter count: Told of the bytes while they are sent, in steps, and of the rest at the end.
    init(
        counting count: (@Sendable (Int64) -> Void)? = nil,
        report: @escaping @Sendable (_ bytes: Int64, _ complete: Bool) -> Void
    ) {
        self.count = count
        self.report = report
    }

    deinit { end(complete: false) }

    /// More bytes were sent.
    func add(_ bytes: Int) {
        let news = state.withLock { state in
            state.bytes += Int64(bytes)
            return count == nil ? 0 : state.news(atLeast: Self.step)
        }
        if news > 0 { count?(news) }
    }

    /// Whether any bytes were sent.
    var hasBegun: Bool { state.withLock { $0.bytes > 0 } }

    /// Nothing more is sent. Only the first call counts.
    func end(complete: Bool) {
        let (bytes, news) = state.withLock { state -> (Int64?, Int64) in
            defer { state.isOver = true }
            return state.isOver ? (nil, 0) : (state.bytes, state.news(atLeast: 1))
        }
        if news > 0 { count?(news) }
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
