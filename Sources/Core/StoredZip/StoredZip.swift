import CZlib
public import NIOCore

/// A ZIP archive in the making, front to back, its members stored as they are (APPNOTE.TXT 6.3.10).
///
/// The writer makes what stands around the members' bytes; the bytes themselves are sent by the caller and only shown to
/// it. Nothing has to be known of a member beforehand but its name and time: length and checksum follow its bytes in a
/// data descriptor (4.3.9), in the ZIP64 form, so that no member is too long. Where both are known, they stand in the
/// member's header, and no descriptor follows.
///
/// - Order: `begin`, any number of `add`, for each member; then `directory` until it gives nil.
/// - Memory: what the central directory says of each member, which is its name and about 60 bytes.
/// - Readers: all that go by the central directory, which takes a file that can be read at any place. A program that
///   reads a stream front to back cannot tell where a stored member of unknown length ends; some guess, some refuse. Where
///   every member was told beforehand, they read the archive too.
/// - Determinism: the same names, times and bytes give the same archive.
public struct StoredZip: Sendable {
    /// The most bytes that ``directory()`` gives at once, unless one name is longer.
    public static let pieceSize = 64 << 10

    private struct Entry: Sendable {
        var member: ZipMember
        /// What its header tells, before its bytes.
        var told: ZipContent?
        var offset: UInt64
        var content = ZipContent(length: 0, checksum: 0)
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

    /// What comes before the bytes of `member`: the end of the one before, and its own header, which tells its length and
    /// checksum where `content` has them. Then ask ``isAsTold`` after its bytes.
    public mutating func begin(_ member: ZipMember, content: ZipContent? = nil) -> ByteBuffer {
        var bytes = ByteBuffer()
        endMember(&bytes)
        entries.append(Entry(member: member, told: content, offset: length + UInt64(bytes.readableBytes)))
        isOpen = true
        bytes.writeLocalHeader(of: member, content: content)
        length += UInt64(bytes.readableBytes)
        return bytes
    }

    /// Takes note of bytes that the caller sends as the next ones of the member that was begun.
    public mutating func add(_ bytes: ByteBuffer) {
        guard isOpen, let last = entries.indices.last else { return }
        let checksum = bytes.withUnsafeReadableBytes { bytes in
            crc32_z(UInt(entries[last].content.checksum), bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
        }
        advance(by: UInt64(bytes.readableBytes), checksum: UInt32(truncatingIfNeeded: checksum))
    }

    /// Takes note of `count` more bytes, with which the member has this checksum.
    mutating func advance(by count: UInt64, checksum: UInt32) {
        guard isOpen, let last = entries.indices.last else { return }
        entries[last].content.length += count
        entries[last].content.checksum = checksum
        length += count
    }

    /// Whether the bytes of the last member are those that its header tells of; true where it tells nothing.
    ///
    /// If not, the archive is wrong already: leave out what would follow.
    public var isAsTold: Bool {
        guard let last = entries.last, let told = last.told else { return true }
        return told == last.content
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
                content: entry.content,
                hasDescriptor: entry.told == nil,
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
    ///
    /// - Parameter members: `isTold` where the header is to tell length and checksum.
    public static func length(of members: [(member: ZipMember, size: Int64, isTold: Bool)]) -> Int64? {
        var archive = StoredZip()
        var total: Int64 = 0
        for (member, size, isTold) in members {
            guard size >= 0 else { return nil }
            let (sum, overflow) = total.addingReportingOverflow(size)
            guard !overflow else { return nil }
            total = sum
            _ = archive.begin(member, content: isTold ? ZipContent(length: UInt64(size), checksum: 0) : nil)
            archive.advance(by: UInt64(size), checksum: 0)
        }
        while archive.directory() != nil {}
        return Int64(exactly: archive.length)
    }

    private mutating func endMember(_ bytes: inout ByteBuffer) {
        guard isOpen, let entry = entries.last else { return }
        if entry.told == nil { bytes.writeDescriptor(of: entry.content) }
        isOpen = false
    }
}
