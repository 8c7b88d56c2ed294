import NIOCore

/// Makes the bytes of files out of two patterns, a mebibyte at a time.
///
/// A file is a head (magic bytes, a ZIP header, a CSV line), a filling, and a tail. Each block of the filling is a copy of
/// the pattern with the file's seed and the block's number patched in at a few places, so that any part of any file can
/// be made at the speed of a memory copy, and no two blocks are equal.
struct ContentGenerator: Sendable {
    /// The length of a block, and the most that `chunk` gives at once.
    static let blockSize = 1 << 20
    /// One CSV row; a block holds whole rows.
    static let rowSize = 64

    private let noise: ByteBuffer
    private let rows: ByteBuffer

    init() {
        noise = Self.makeNoise()
        rows = Self.makeRows()
    }

    /// A file to read from, anywhere.
    func open(_ file: FileSpec) -> GeneratedFile { GeneratedFile(file, of: self) }

    /// One whole block of a file's filling.
    func filling(_ file: FileSpec, _ index: Int64) -> ByteBuffer {
        var block = file.format.isText ? rows : noise
        // Sixteen marks in a block, so that every 64 KiB differs from every other 64 KiB of any file.
        for place in 0..<16 {
            let mark = file.seed &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(place)
            let at = place * (Self.blockSize / 16)
            if file.format.isText {
                let digits = String(mark, radix: 16)
                block.setString(String(repeating: "0", count: 16 - digits.utf8.count) + digits, at: at)
            } else {
                block.setInteger(mark, at: at)
            }
        }
        return block
    }

    private static func makeNoise() -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(blockSize)
        var state: UInt64 = 0x2545_F491_4F6C_DD1D
        for _ in 0..<(blockSize / 8) {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            buffer.writeInteger(state)
        }
        return buffer
    }

    private static func makeRows() -> ByteBuffer {
        let owners = ["Adele Vance", "Alex Wilber", "Diego Siciliani", "Isaiah Langer", "Megan Bowen", "Nestor Wilke"]
        let states = ["on track", "behind", "at risk", "not started", "closed"]
        var buffer = ByteBuffer()
        buffer.reserveCapacity(blockSize)
        for row in 0..<(blockSize / rowSize) {
            let line = "----------------,\(row),\(owners[row % 6]),\(states[row % 5]),\(row * 37 % 101)"
            buffer.writeString(line + String(repeating: " ", count: rowSize - 1 - line.utf8.count) + "\n")
        }
        return buffer
    }
}

/// One file, open for reading.
struct GeneratedFile: Sendable {
    let spec: FileSpec
    private let generator: ContentGenerator
    private let frame: FileFrame

    init(_ spec: FileSpec, of generator: ContentGenerator) {
        self.spec = spec
        self.generator = generator
        frame = FileFrame(spec, filling: generator.filling)
    }

    /// The bytes from `offset` on: at least one unless the file has ended, at most a block.
    func chunk(at offset: Int64) -> ByteBuffer {
        let fillingEnd = spec.size - Int64(frame.tail.readableBytes)
        let head = Int64(frame.head.readableBytes)
        if offset < head {
            return slice(frame.head, from: Int(offset), count: Int(min(head, spec.size) - offset))
        }
        if offset < fillingEnd {
            let inFilling = offset - head
            let block = generator.filling(spec, inFilling / Int64(ContentGenerator.blockSize))
            let start = Int(inFilling % Int64(ContentGenerator.blockSize))
            let count = min(Int64(ContentGenerator.blockSize - start), fillingEnd - offset)
            return slice(block, from: start, count: Int(count))
        }
        guard offset < spec.size else { return ByteBuffer() }
        return slice(frame.tail, from: Int(offset - fillingEnd), count: Int(spec.size - offset))
    }

    private func slice(_ buffer: ByteBuffer, from start: Int, count: Int) -> ByteBuffer {
        buffer.getSlice(at: buffer.readerIndex + start, length: count) ?? ByteBuffer()
    }
}
