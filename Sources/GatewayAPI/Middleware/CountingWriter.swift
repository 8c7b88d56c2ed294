import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// Passes a response body on and counts its bytes.
struct CountingWriter: ResponseBodyWriter {
    /// A number that can be read while it grows.
    final class Count: Sendable {
        private let total = Mutex<Int64>(0)
        var value: Int64 { total.withLock { $0 } }
        func add(_ bytes: Int) { total.withLock { $0 += Int64(bytes) } }
    }

    var parent: any ResponseBodyWriter
    let count = Count()

    mutating func write(_ buffer: ByteBuffer) async throws {
        let bytes = buffer.readableBytes
        try await parent.write(buffer)
        count.add(bytes)
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        try await parent.finish(trailingHeaders)
    }
}
