import NIOCore

/// The bytes before and after a file's filling.
struct FileFrame: Sendable {
    var head = ByteBuffer()
    var tail = ByteBuffer()

    /// - Parameter filling: gives a block of the file's filling, for the checksum of a small archive.
    init(_ file: FileSpec, filling: (FileSpec, Int64) -> ByteBuffer) {
        head.writeBytes(file.lead)
        switch file.format {
        case .random: break
        case .csv:
            let line = "Key,Row,Owner,Status,Progress"
            head.writeString(
                line + String(repeating: " ", count: ContentGenerator.rowSize - 1 - line.utf8.count) + "\n"
            )
            tail.writeString("\n")
        case .zip: archive(file, entry: "PST/Export.pst", filling)
        case .pptx: archive(file, entry: "ppt/presentation.xml", filling)
        case .xlsx: archive(file, entry: "xl/workbook.xml", filling)
        case .docx: archive(file, entry: "word/document.xml", filling)
        case .pst: head.writeString("!BDN")
        case .pdf:
            head.writeString("%PDF-1.7\n")
            tail.writeString("\n%%EOF\n")
        case .xml:
            head.writeString("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Report>\n")
            tail.writeString("\n</Report>\n")
        case .mhtml:
            head.writeString(
                "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=\"part\"\r\n\r\n--part\r\n\r\n"
            )
            tail.writeString("\r\n--part--\r\n")
        case .png: head.writeBytes([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        case .tiff: head.writeBytes([0x49, 0x49, 0x2A, 0x00])
        case .bmp: head.writeString("BM")
        case .emf: head.writeBytes([0x01, 0x00, 0x00, 0x00])
        case .gif: head.writeString("GIF89a")
        case .jpeg: head.writeBytes([0xFF, 0xD8, 0xFF, 0xE0])
        }
        // A file that is smaller than its frame consists of the beginning of the frame.
        if Int64(head.readableBytes + tail.readableBytes) > file.size { tail.clear() }
    }

    /// A ZIP with one stored entry (APPNOTE.TXT 6.3, 4.3). Readable up to a mebibyte of content; of larger ones only the
    /// checksum is left at zero, because computing it would cost more than making the bytes.
    private mutating func archive(_ file: FileSpec, entry: String, _ filling: (FileSpec, Int64) -> ByteBuffer) {
        let frameSize = file.lead.count + 30 + 46 + 22 + 2 * entry.utf8.count
        let size = max(0, file.size - Int64(frameSize))
        let checksum: UInt32
        if size <= ContentGenerator.blockSize, size > 0 {
            checksum = CRC32.of(filling(file, 0).getSlice(at: 0, length: Int(size)) ?? ByteBuffer())
        } else {
            checksum = 0
        }
        let stored = UInt32(truncatingIfNeeded: size)
        // Version 2.0, no flags, method "stored", 1 January 2026 00:00:00.
        func writeCommon(_ buffer: inout ByteBuffer) {
            for field in [20, 0, 0, 0, 0x5C21] as [UInt16] { buffer.writeInteger(field, endianness: .little) }
            for field in [checksum, stored, stored] { buffer.writeInteger(field, endianness: .little) }
            for field in [UInt16(entry.utf8.count), 0] { buffer.writeInteger(field, endianness: .little) }
        }
        head.writeInteger(UInt32(0x0403_4B50), endianness: .little)
        writeCommon(&head)
        head.writeString(entry)
        let localSize = UInt32(head.readableBytes)

        tail.writeInteger(UInt32(0x0201_4B50), endianness: .little)
        tail.writeInteger(UInt16(20), endianness: .little)
        writeCommon(&tail)
        tail.writeRepeatingByte(0, count: 10)
        // The offset of the entry in the file.
        tail.writeInteger(UInt32(file.lead.count), endianness: .little)
        tail.writeString(entry)
        let directorySize = UInt32(tail.readableBytes)
        tail.writeInteger(UInt32(0x0605_4B50), endianness: .little)
        for field in [0, 0, 1, 1] as [UInt16] { tail.writeInteger(field, endianness: .little) }
        for field in [directorySize, localSize &+ stored] { tail.writeInteger(field, endianness: .little) }
        tail.writeInteger(UInt16(0), endianness: .little)
    }
}

/// The checksum of ZIP entries and of gzip (ISO 3309, as APPNOTE.TXT 4.4.7 and RFC 1952 have it).
struct CRC32 {
    private static let table: [UInt32] = (0..<256)
        .map { index in
            (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
        }

    private var state: UInt32 = 0xFFFF_FFFF

    /// The checksum of what came so far.
    var value: UInt32 { ~state }

    mutating func update(_ buffer: ByteBuffer) {
        var state = state
        buffer.withUnsafeReadableBytes { bytes in
            Self.table.withUnsafeBufferPointer { table in
                for byte in bytes { state = state >> 8 ^ table[Int((state ^ UInt32(byte)) & 0xFF)] }
            }
        }
        self.state = state
    }

    static func of(_ buffer: ByteBuffer) -> UInt32 {
        var checksum = CRC32()
        checksum.update(buffer)
        return checksum.value
    }
}
