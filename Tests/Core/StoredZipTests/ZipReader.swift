import NIOCore

/// Reads an archive from its end, as programs do, and compares everything that it says twice.
///
/// `bytes` may have holes: long runs of a member's bytes that nobody stored.
struct ZipReader {
    struct Member: Hashable {
        var name: String
        var offset: UInt64
        var length: UInt64
        var checksum: UInt32
        var date: UInt16
        var time: UInt16
        var modified: Int32?
        var flags: UInt16
        var method: UInt16
        var mode: UInt32
        /// Where the member's bytes begin.
        var start: UInt64
        var hasDescriptor: Bool { flags & 1 << 3 != 0 }
    }

    struct Malformed: Error, CustomStringConvertible {
        var description: String
    }

    private let bytes: SparseBytes
    private(set) var members: [Member] = []
    init(_ bytes: SparseBytes) throws {
        self.bytes = bytes
        let end = bytes.length - 22
        try expect(try number(at: end, UInt32.self) == 0x0605_4B50, "no end record")
        try expect(try number(at: end + 20, UInt16.self) == 0, "a comment")
        try expect(try number(at: end + 8, UInt32.self) == .max, "counts that do not refer to the ZIP64 end record")
        let locator = end - 20
        try expect(try number(at: locator, UInt32.self) == 0x0706_4B50, "no ZIP64 locator")
        try expect(try number(at: locator + 16, UInt32.self) == 1, "several disks")
        let directoryEnd = try number(at: locator + 8, UInt64.self)
        try expect(directoryEnd == locator - 56, "the ZIP64 end record is elsewhere")
        try expect(try number(at: directoryEnd, UInt32.self) == 0x0606_4B50, "no ZIP64 end record")
        try expect(try number(at: directoryEnd + 4, UInt64.self) == 44, "a ZIP64 end record of another length")
        let count = try number(at: directoryEnd + 32, UInt64.self)
        let size = try number(at: directoryEnd + 40, UInt64.self)
        let offset = try number(at: directoryEnd + 48, UInt64.self)
        try expect(try number(at: directoryEnd + 24, UInt64.self) == count, "several disks")
        try expect(UInt64(try number(at: end + 12, UInt32.self)) == min(size, 0xFFFF_FFFF), "two sizes")
        try expect(UInt64(try number(at: end + 16, UInt32.self)) == min(offset, 0xFFFF_FFFF), "two offsets")
        try expect(offset + size == directoryEnd, "the directory is not just before its end")
        var place = offset
        var nextMember: UInt64 = 0
        for _ in 0..<count {
            let member = try directoryHeader(&place)
            try expect(member.offset == nextMember, "bytes between members")
            nextMember = try descriptorEnd(of: member)
            members.append(member)
        }
        try expect(place == directoryEnd && nextMember == offset, "bytes that belong to nothing")
    }

    /// The member's own bytes.
    func content(_ member: Member) throws -> [UInt8] { try bytes.read(member.start, Int(member.length)) }

    private func directoryHeader(_ place: inout UInt64) throws -> Member {
        try expect(try number(at: place, UInt32.self) == 0x0201_4B50, "no directory header")
        let short = try number(at: place + 24, UInt32.self)
        try expect(try number(at: place + 20, UInt32.self) == short, "compressed")
        let nameLength = UInt64(try number(at: place + 28, UInt16.self))
        let extraLength = UInt64(try number(at: place + 30, UInt16.self))
        let name = try bytes.read(place + 46, Int(nameLength))
        var member = Member(
            name: String(decoding: name, as: UTF8.self),
            offset: UInt64(try number(at: place + 42, UInt32.self)),
            length: UInt64(short),
            checksum: try number(at: place + 16, UInt32.self),
            date: try number(at: place + 14, UInt16.self),
            time: try number(at: place + 12, UInt16.self),
            flags: try number(at: place + 8, UInt16.self),
            method: try number(at: place + 10, UInt16.self),
            mode: try number(at: place + 38, UInt32.self) >> 16,
            start: 0
        )
        for (id, data) in try extras(place + 46 + nameLength, extraLength) {
            var data = data
            if id == 1 {
                if member.length == 0xFFFF_FFFF {
                    member.length = data.readInteger(endianness: .little) ?? 0
                    try expect(data.readInteger(endianness: .little) == member.length, "compressed")
                }
                if member.offset == 0xFFFF_FFFF { member.offset = data.readInteger(endianness: .little) ?? 0 }
                try expect(data.readableBytes == 0, "a ZIP64 field with more in it than is needed")
            } else {
                try expect(id == 0x5455 && data.readInteger(as: UInt8.self) == 1, "another extra field")
                member.modified = data.readInteger(endianness: .little)
            }
        }
        try readLocalHeader(&member, name)
        place += 46 + nameLength + extraLength
        return member
    }

    private func readLocalHeader(_ member: inout Member, _ name: [UInt8]) throws {
        let place = member.offset
        try expect(try number(at: place, UInt32.self) == 0x0403_4B50, "no local header")
        try expect(try number(at: place + 4, UInt16.self) == 45, "another version")
        try expect(try number(at: place + 6, UInt16.self) == member.flags, "two sets of flags")
        try expect(try number(at: place + 8, UInt16.self) == member.method, "two methods")
        try expect(try number(at: place + 10, UInt16.self) == member.time, "two times")
        try expect(try number(at: place + 12, UInt16.self) == member.date, "two dates")
        let lengths = try number(at: place + 18, UInt64.self)
        let nameLength = UInt64(try number(at: place + 26, UInt16.self))
        let extraLength = UInt64(try number(at: place + 28, UInt16.self))
        try expect(try bytes.read(place + 30, Int(nameLength)) == name, "two names")
        let fields = try extras(place + 30 + nameLength, extraLength)
        var long = fields.first { $0.0 == 1 }?.1
        if member.hasDescriptor {
            try expect(try number(at: place + 14, UInt32.self) == 0, "a checksum before the bytes")
            try expect(lengths == .max && long?.readableBytes == 16, "no ZIP64 descriptor announced")
        } else {
            try expect(try number(at: place + 14, UInt32.self) == member.checksum, "two checksums")
            let shown = min(member.length, 0xFFFF_FFFF)
            try expect(lengths == shown << 32 | shown, "two lengths")
            try expect((long != nil) == (shown == 0xFFFF_FFFF), "a ZIP64 field where there is no need, or none")
            for _ in 0..<(long == nil ? 0 : 2) {
                try expect(long?.readInteger(endianness: .little) == member.length, "two lengths")
            }
            try expect(long?.readableBytes ?? 0 == 0, "a ZIP64 field with more in it than is needed")
        }
        member.start = place + 30 + nameLength + extraLength
    }

    private func descriptorEnd(of member: Member) throws -> UInt64 {
        let place = member.start + member.length
        guard member.hasDescriptor else { return place }
        try expect(try number(at: place, UInt32.self) == 0x0807_4B50, "no descriptor")
        try expect(try number(at: place + 4, UInt32.self) == member.checksum, "two checksums")
        try expect(try number(at: place + 8, UInt64.self) == member.length, "two lengths")
        try expect(try number(at: place + 16, UInt64.self) == member.length, "two lengths")
        return place + 24
    }

    private func extras(_ start: UInt64, _ length: UInt64) throws -> [(UInt16, ByteBuffer)] {
        var fields: [(UInt16, ByteBuffer)] = []
        var buffer = ByteBuffer(bytes: try bytes.read(start, Int(length)))
        while buffer.readableBytes > 0 {
            guard let (id, size) = buffer.readMultipleIntegers(endianness: .little, as: (UInt16, UInt16).self),
                let data = buffer.readSlice(length: Int(size))
            else { throw Malformed(description: "extra fields that do not add up") }
            fields.append((id, data))
        }
        return fields
    }

    private func number<Number: FixedWidthInteger>(at place: UInt64, _: Number.Type) throws -> Number {
        var value: Number = 0
        for byte in try bytes.read(place, MemoryLayout<Number>.size).reversed() { value = value << 8 | Number(byte) }
        return value
    }

    private func expect(_ condition: Bool, _ fault: String) throws {
        if !condition { throw Malformed(description: fault) }
    }
}

/// Bytes in which long runs are only counted.
struct SparseBytes {
    private var parts: [(start: UInt64, bytes: [UInt8])] = []
    private(set) var length: UInt64 = 0

    mutating func append(_ buffer: ByteBuffer) {
        parts.append((length, Array(buffer.readableBytesView)))
        length += UInt64(buffer.readableBytes)
    }

    mutating func appendHole(_ count: UInt64) { length += count }

    /// Bytes that were all stored, though maybe in several parts.
    func read(_ start: UInt64, _ count: Int) throws -> [UInt8] {
        var result: [UInt8] = []
        var low = 0
        var high = parts.count
        while low < high {
            let middle = (low + high) / 2
            if parts[middle].start + UInt64(parts[middle].bytes.count) <= start {
                low = middle + 1
            } else {
                high = middle
            }
        }
        while result.count < count, low < parts.count, parts[low].start <= start + UInt64(result.count) {
            let (first, bytes) = parts[low]
            let from = Int(start + UInt64(result.count) - first)
            result += bytes[from..<min(bytes.count, from + count - result.count)]
            low += 1
        }
        guard result.count == count else {
            throw ZipReader.Malformed(description: "\(count) bytes at \(start) are not there")
        }
        return result
    }
}
