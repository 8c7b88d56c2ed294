import NIOCore
import ParallelGzip
import Zstandard

/// The encoder of a content coding.
enum DownloadEncoder: Sendable {
    case gzip(GzipEncoder)
    case zstd(ZstdEncoder)

    /// The most memory that one download takes for it, in bytes.
    var memoryPerStream: Int {
        switch self {
        case .gzip(let encoder): encoder.memoryPerStream
        case .zstd(let encoder): encoder.memoryPerStream
        }
    }

    /// Encodes what `next` gives; see `GzipEncoder.encode` and `ZstdEncoder.encode`.
    ///
    /// - Parameter length: The length of the plain bytes, where that is known.
    func encode(
        length: Int64?,
        from next: @escaping () async throws -> ByteBuffer?,
        to sink: (ByteBuffer) async throws -> Void,
        breakOff: (ByteBuffer) async -> Void
    ) async throws {
        switch self {
        case .gzip(let encoder): try await encoder.encode(from: next, to: sink, breakOff: breakOff)
        case .zstd(let encoder): try await encoder.encode(length: length, from: next, to: sink, breakOff: breakOff)
        }
    }
}

/// The encoders of all content codings that are offered. They share the threads that compress.
struct DownloadEncoders: Sendable {
    private let encoders: [ContentCoding: DownloadEncoder]

    init(_ settings: RelaySettings, sleep: @escaping @Sendable (Duration) async throws -> Void) {
        let pool = settings.gzipThreads.map { CompressionPool(threads: $0) } ?? CompressionPool()
        var encoders: [ContentCoding: DownloadEncoder] = [:]
        if let level = settings.gzip { encoders[.gzip] = .gzip(GzipEncoder(level: level, pool: pool, sleep: sleep)) }
        if let level = settings.zstd { encoders[.zstd] = .zstd(ZstdEncoder(level: level, pool: pool, sleep: sleep)) }
        self.encoders = encoders
    }

    /// Those that there are, in the order of `ContentCoding.offered`.
    var offered: [ContentCoding] { ContentCoding.offered.filter { encoders[$0] != nil } }

    /// Nil for plain bytes.
    subscript(coding: ContentCoding) -> DownloadEncoder? { encoders[coding] }
}
