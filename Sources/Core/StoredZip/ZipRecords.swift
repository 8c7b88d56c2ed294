import NIOCore

/// The records of an archive as they stand in it (APPNOTE.TXT 6.3.10, 4.3); all numbers are little-endian.
extension ByteBuffer {
    /// The value of a 32-bit field whose real value is in a ZIP64 record (4.4.1.4).
    private static let elsewhere = UInt32.max
    /// 4.5: the first version with ZIP64.
    private static let version: UInt16 = 45
    /// The name is UTF-8 (bit 11).
    private static let flags: UInt16 = 1 << 11
    /// Length and checksum follow the bytes (bit 3).
    private static let descriptorFlag: UInt16 = 1 << 3
    private static let stored: UInt16 = 0
    /// Unix, for the mode: a file that everybody may read, and no link.
    private static let madeBy: UInt16 = 3 << 8 | version
    private static let mode: UInt32 = 0o100644 << 16

    /// 4.3.7. Without `content`, announces a ZIP64 descriptor by a ZIP64 extra field (4.3.9.2); the sizes in it are not known
    /// yet.
    mutating func writeLocalHeader(of member: ZipMember, content: ZipContent?) {
        var extra = ByteBuffer()
        // 4.5.3: a local header has both lengths in its extra field, or none.
        let longLength = content.map { Self.shown($0.length) == Self.elsewhere ? $0.length : nil } ?? 0
        if let longLength {
            extra.write(UInt16(1), UInt16(16))
            extra.write(longLength, longLength)
        }
        extra.writeTimestamp(of: member)
        let shownLength = longLength == nil ? Self.shown(content?.length ?? 0) : Self.elsewhere
        write(UInt32(0x0403_4B50))
        writeCommon(of: member, hasDescriptor: content == nil)
        write(content?.checksum ?? 0, shownLength, shownLength)
        write(UInt16(member.name.utf8.count), UInt16(extra.readableBytes))
        writeString(member.name)
        writeBuffer(&extra)
    }

    /// 4.3.9
    mutating func writeDescriptor(of content: ZipContent) {
        write(UInt32(0x0807_4B50), content.checksum)
        write(content.length, content.length)
    }

    /// 4.3.12. A ZIP64 extra field holds those values, and only those, that do not fit into the header (4.5.3).
    mutating func writeDirectoryHeader(
        of member: ZipMember,
        content: ZipContent,
        hasDescriptor: Bool,
        offset: UInt64
    ) {
        let isLong = content.length >= UInt64(Self.elsewhere)
        let isFar = offset >= UInt64(Self.elsewhere)
        var extra = ByteBuffer()
        if isLong || isFar {
            extra.write(UInt16(1), UInt16((isLong ? 16 : 0) + (isFar ? 8 : 0)))
            if isLong { extra.write(content.length, content.length) }
            if isFar { extra.write(offset) }
        }
        extra.writeTimestamp(of: member)
        let shownLength = Self.shown(content.length)
        write(UInt32(0x0201_4B50))
        write(Self.madeBy)
        writeCommon(of: member, hasDescriptor: hasDescriptor)
        write(content.checksum, shownLength, shownLength)
        write(UInt16(member.name.utf8.count), UInt16(extra.readableBytes))
        // No comment, disk number 0, no internal attributes.
        write(UInt16(0), UInt16(0), UInt16(0))
        write(Self.mode, Self.shown(offset))
        writeString(member.name)
        writeBuffer(&extra)
    }

    /// 4.3.14 to 4.3.16: the end records, those of ZIP64 always.
    ///
    /// The plain record refers to them in its two counts, whatever they are, and is true in size and offset as far as these
    /// fit: there are readers that take 8-byte descriptors for 4-byte ones in an archive without ZIP64's end, some that do
    /// not look for that unless a count sends them there, and some that read size and offset in the plain record only.
    mutating func writeEnd(entries: UInt64, directorySize: UInt64, directoryOffset: UInt64) {
        let recordSize: UInt64 = 44
        write(UInt32(0x0606_4B50))
        write(recordSize)
        write(Self.madeBy, Self.version)
        write(UInt32(0), UInt32(0))
        write(entries, entries, directorySize, directoryOffset)
        write(UInt32(0x0706_4B50), UInt32(0))
        write(directoryOffset + directorySize)
        write(UInt32(1))
        write(UInt32(0x0605_4B50))
        write(UInt16(0), UInt16(0), UInt16.max, UInt16.max)
        write(Self.shown(directorySize), Self.shown(directoryOffset))
        write(UInt16(0))
    }

    /// The fields with which local and directory headers both begin.
    private mutating func writeCommon(of member: ZipMember, hasDescriptor: Bool) {
        let time = ZipTime(member.modified)
        let flags = hasDescriptor ? Self.flags | Self.descriptorFlag : Self.flags
        write(Self.version, flags, Self.stored, time.time, time.date)
    }

    /// The extended timestamp of Info-ZIP, because the time of MS-DOS has no time zone.
    private mutating func writeTimestamp(of member: ZipMember) {
        guard let seconds = ZipTime(member.modified).unix else { return }
        let modificationTimeOnly: UInt8 = 1
        write(UInt16(0x5455), UInt16(5))
        write(modificationTimeOnly)
        write(seconds)
    }

    private static func shown(_ value: UInt64) -> UInt32 { UInt32(min(value, UInt64(elsewhere))) }

    private mutating func write<Number: FixedWidthInteger>(_ numbers: Number...) {
        for number in numbers { writeInteger(number, endianness: .little) }
    }
}
