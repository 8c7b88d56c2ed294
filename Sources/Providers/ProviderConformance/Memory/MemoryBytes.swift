import Exports
import NIOCore

/// The bytes of a file in memory, in pieces; those past `end` never come.
struct MemoryBytes: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    typealias Failure = any Error

    let bytes: [UInt8]
    let end: Int

    func makeAsyncIterator() -> Iterator { Iterator(bytes: bytes, end: end) }

    struct Iterator: AsyncIteratorProtocol {
        let bytes: [UInt8]
        let end: Int
        var position = 0

        mutating func next() async throws -> ByteBuffer? {
            try Task.checkCancellation()
            guard position < end else {
                if end == bytes.count { return nil }
                throw ProviderError(
                    .transient,
                    "The upstream broke off after \(position) of \(bytes.count) bytes.",
                    problem: .upstreamBroken
                )
            }
            let next = Swift.min(end, position + 16_384)
            defer { position = next }
            return ByteBuffer(bytes: bytes[position..<next])
        }
    }
}
