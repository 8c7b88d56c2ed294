import CZlib
public import NIOCore

/// Writes a ZIP archive from its beginning to its end. The members are stored without compression (APPNOTE.TXT 6.3.10).
///
/// It makes the headers and the directory. The caller sends the members' bytes itself, and passes them to `add`. Only the name and
/// time of a member must be known beforehand: its length and checksum follow its bytes in a data descriptor (4.3.9), in the ZIP64
/// form, so that no member is too long. Where both are known beforehand, they are in the member's header, and there is no
/// descriptor.
///
/// - Order: `begin` and any number of `add` for each member; then `directory` until it returns nil.
/// - Memory: the name and about 60 bytes for each member, for the central directory.
/// - Readers: all that use the central directory, for which they need the whole file. A program that
///   reads a stream from its beginning cannot tell where a stored member of unknown length ends; some guess, some refuse. Where
///   all lengths and checksums are in the headers, such programs can read the archive too.
/// - Determinism: the same names, times and bytes give the same archive.
public struct StoredZip: Sendable {
    /// The most bytes that ``directory()`` gives at once, unless one name is longer.
    public static let pieceSize = 64 << 10

    private struct Entry: Sendable {
        var member: ZipMember
        /// The length and checksum in its header, if they are there.
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

    /// The bytes to send before those of `member`: the end of the member before, and this member's header. With `content`, the header
    /// has its length and checksum; check ``isAsTold`` after its bytes then.
    public mutating func begin(_ member: ZipMember, content: ZipContent? = nil) -> ByteBuffer {
        var bytes = ByteBuffer()
        endMember(&bytes)
        entries.append(Entry(member: member, told: content, offset: length + UInt64(bytes.readableBytes)))
        isOpen = true
        bytes.writeLocalHeader(of: member, content: content)
        length += UInt64(bytes.readableBytes)
        return bytes
    }

    /// Counts bytes that the caller sends as the next ones of the current member.
    public mutating func add(_ bytes: ByteBuffer) {
        guard isOpen, let last = entries.indices.last else { return }
        let checksum = bytes.withUnsafeReadableBytes { bytes in
            crc32_z(UInt(entries[last].content.checksum), bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
        }
        advance(by: UInt64(bytes.readableBytes), checksum: UInt32(truncatingIfNeeded: checksum))
    }

    /// Counts `count` more bytes of the current member, whose checksum is now `checksum`.
    mutating func advance(by count: UInt64, checksum: UInt32) {
        guard isOpen, let last = entries.indices.last else { return }
        entries[last].content.length += count
        entries[last].content.checksum = checksum
        length += count
    }

    /// Whether the bytes of the last member have the length and checksum of its header; true where the header has none.
    ///
    /// If not, the archive is wrong: send nothing more.
    public var isAsTold: Bool {
        guard let last = entries.last, let told = last.told else { return true }
        return told == last.content
    }

    /// The next piece of the central directory, to be sent after the last member; nil when the archive is complete.
    ///
    /// No reader accepts an archive without these pieces as complete. So do not send them after a member that broke.
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
    /// - Parameter members: `isTold` where length and checksum are in the header.
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
