import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import Synchronization

/// Collects the bytes of a body.
final class CollectedBody: Sendable {
    /// The most bytes that are collected. Answers that are changed as a whole are smaller.
    static let limit = 1 << 28

    private let collected = Mutex(ByteBuffer())

    /// The whole body. Throws what the body throws, and `NIOTooManyBytesError` beyond the limit.
    static func of(_ body: ResponseBody) async throws -> ByteBuffer {
        let collector = CollectedBody()
        try await body.write(Writer(collector: collector))
        return collector.collected.withLock { $0 }
    }

    private struct Writer: ResponseBodyWriter {
        let collector: CollectedBody

        func write(_ buffer: ByteBuffer) async throws {
            try collector.collected.withLock { collected in
                guard collected.readableBytes + buffer.readableBytes <= CollectedBody.limit else {
                    throw NIOTooManyBytesError(maxBytes: CollectedBody.limit)
                }
                collected.writeImmutableBuffer(buffer)
            }
        }

        consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
    }
}
