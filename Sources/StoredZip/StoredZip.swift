import CZlib
public import NIOCore

/// A ZIP archive in the making, front to back, its members stored as they are (APPNOTE.TXT 6.3.10).
///
/// The writer makes what stands around the members' bytes; the bytes themselves are sent by the caller and only shown to
/// it. Nothing has to be known of a member beforehand but its name and time: length and checksum follow its bytes in a
/// data descriptor (4.3.9), in the ZIP64 form, so that no member is too long.
///
/// - Order: `begin`, any number of `add`, for each member; then `directory` until it gives nil.
/// - Memory: what the central directory says of each member, which is its name and about 60 bytes.
/// - Readers: all that go by the central directory, which takes a file that can be read at any place. A program that
///   reads a stream front to back cannot tell where a stored member of unknown length ends; some guess, some refuse.
/// - Determinism: the same names, times and bytes give the same archive.
public struct StoredZip: Sendable {
    /// The most bytes that ``directory()`` gives at once, unless one name is longer.
    public static let pieceSize = 64 << 10

    private struct Entry: Sendable {
        var member: ZipMember
        var offset: UInt64
        var length: UInt64 = 0
        var checksum: UInt32 = 0
    }

    /// How many bytes the archive has so far.
    public private(set) var length: UInt64 = 0
    private var entries: [Entry] = []
    private var isOpen = false
    /// Where the central directory begins and which entry is next in it; nil while members are written.
    private var progress: (start: UInt64, next: Int)?
    private var isWhole = false

    /// Begins an archive; no byte of it is written before the first member.
    public init() {}

    /// What comes before the bytes of `member`: the end of the one before, and its own header.
    public mutating func begin(_ member: ZipMember) -> ByteBuffer {
        var bytes = ByteBuffer()
        endMember(&bytes)
        entries.append(Entry(member: member, offset: length + UInt64(bytes.readableBytes)))
        isOpen = true
        bytes.writeLocalHeader(of: member)
        length += UInt64(bytes.readableBytes)
        return bytes
    }

    /// Takes note of bytes that the caller sends as the next ones of the member that was begun.
    public mutating func add(_ bytes: ByteBuffer) {
        guard isOpen, let last = entries.indices.last else { return }
        let checksum = bytes.withUnsafeReadableBytes { bytes in
            crc32_z(UInt(entries[last].checksum), bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
        }
        advance(by: UInt64(bytes.readableBytes), checksum: UInt32(truncatingIfNeeded: checksum))
    }

    /// Takes note of `count` more bytes, with which the member has this checksum.
    mutating func advance(by count: UInt64, checksum: UInt32) {
        guard isOpen, let last = entries.indices.last else { return }
        entries[last].length += count
        entries[last].checksum = checksum
        length += count
    }

    /// The next piece of what comes behind the last member; nil when the archive is whole.
    ///
    /// An archive without these pieces is one that no reader takes for whole: leave them out when a member broke.
    public mutating func directory() -> ByteBuffer? {
        guard !isWhole else { return nil }
        var bytes = ByteBuffer()
        endMember(&bytes)
        var (start, next) = progress ?? (length + UInt64(bytes.readableBytes), 0)
        while next < entries.count, bytes.readableBytes < Self.pieceSize - 512 {
            let entry = entries[next]
            bytes.writeDirectoryHeader(
                of: entry.member,
                checksum: entry.checksum,
                length: entry.length,
                offset: entry.offset
            )
            next += 1
        }
        if next == entries.count {
            let size = length + UInt64(bytes.readableBytes) - start
            bytes.writeEnd(entries: UInt64(entries.count), directorySize: size, directoryOffset: start)
            isWhole = true
        }
        progress = (start, next)
        length += UInt64(bytes.readableBytes)
        return bytes
    }

    /// The length of the whole archive of these members, exactly; nil for a negative size, and for one that is longer than
    /// any file can be.
    public static func length(of members: [(member: ZipMember, size: Int64)]) -> Int64? {
        var archive = StoredZip()
        var total: Int64 = 0
        for (member, size) in members {
            guard size >= 0 else { return nil }
            let (sum, overflow) = total.addingReportingOverflow(size)
            guard !overflow else { return nil }
            total = sum
            _ = archive.begin(member)
            archive.advance(by: UInt64(size), checksum: 0)
        }
        while archive.directory() != nil {}
        return Int64(exactly: archive.length)
    }

    private mutating func endMember(_ bytes: inout ByteBuffer) {
        guard isOpen, let entry = entries.last else { return }
        bytes.writeDescriptor(checksum: entry.checksum, length: entry.length)
        isOpen = false
    }
}
