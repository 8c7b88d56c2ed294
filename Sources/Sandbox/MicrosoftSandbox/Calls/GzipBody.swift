import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore

extension ResponseBody {
    /// The body in gzip (RFC 1952), in stored blocks, because only the reader is tested and not the compression.
    var gzipped: ResponseBody {
        let plain = self
        return ResponseBody { writer in
            try await writer.write(ByteBuffer(bytes: [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]))
            try await plain.write(StoredBlocks(parent: writer))
        }
    }
}

/// Wraps each buffer in stored blocks (RFC 1951, 3.2.4) and ends with the trailer of gzip.
private struct StoredBlocks: ResponseBodyWriter {
    var parent: any ResponseBodyWriter
    private var checksum = CRC32()
    private var count: UInt32 = 0

    init(parent: any ResponseBodyWriter) { self.parent = parent }

    mutating func write(_ buffer: ByteBuffer) async throws {
        checksum.update(buffer)
        count &+= UInt32(truncatingIfNeeded: buffer.readableBytes)
        var rest = buffer
        while rest.readableBytes > 0 {
            let size = min(rest.readableBytes, 0xFFFF)
            var block = Self.head(size, isLast: false)
            if let part = rest.readSlice(length: size) { block.writeImmutableBuffer(part) }
            try await parent.write(block)
        }
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        var end = Self.head(0, isLast: true)
        end.writeInteger(checksum.value, endianness: .little)
        end.writeInteger(count, endianness: .little)
        try await parent.write(end)
        try await parent.finish(trailingHeaders)
    }

    private static func head(_ size: Int, isLast: Bool) -> ByteBuffer {
        var head = ByteBuffer(bytes: [isLast ? 1 : 0])
        head.writeInteger(UInt16(size), endianness: .little)
        head.writeInteger(~UInt16(size), endianness: .little)
        return head
    }
}
