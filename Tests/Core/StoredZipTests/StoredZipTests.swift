import CZlib
import NIOCore
import Testing

@testable import StoredZip

@Suite struct StoredZipTests {
    private func member(_ name: String, _ modified: Int64 = 1_784_000_000) throws -> ZipMember {
        try #require(ZipMember(name: name, modified: modified))
    }

    /// An archive of members whose bytes come in these pieces.
    private func archive(_ files: [(String, pieces: [String])], isTold: Bool = false) throws -> SparseBytes {
        var (zip, bytes) = (StoredZip(), SparseBytes())
        for (name, pieces) in files {
            let told = isTold ? content(pieces.joined()) : nil
            bytes.append(zip.begin(try member(name), content: told))
            for piece in pieces {
                let buffer = ByteBuffer(string: piece)
                zip.add(buffer)
                bytes.append(buffer)
            }
            #expect(zip.isAsTold)
        }
        while let piece = zip.directory() { bytes.append(piece) }
        #expect(zip.length == bytes.length)
        return bytes
    }

    private func checksum(_ text: String) -> UInt32 {
        Array(text.utf8).withUnsafeBufferPointer { UInt32(crc32_z(0, $0.baseAddress, $0.count)) }
    }

    private func content(_ text: String) -> ZipContent {
        ZipContent(length: UInt64(text.utf8.count), checksum: checksum(text))
    }

    @Test func membersComeBackAsTheyWentIn() throws {
        let bytes = try archive([
            ("a.csv", ["one,two\n", "", "three\n"]), ("empty.txt", []), ("Zwölf Boxkämpfer/naïve ☕️.pdf", ["%PDF-1.7"]),
        ])
        let zip = try ZipReader(bytes)
        #expect(zip.members.map(\.name) == ["a.csv", "empty.txt", "Zwölf Boxkämpfer/naïve ☕️.pdf"])
        #expect(try zip.content(zip.members[0]) == Array("one,two\nthree\n".utf8))
        #expect(zip.members[0].checksum == checksum("one,two\nthree\n"))
        #expect(zip.members[1].length == 0 && zip.members[1].checksum == 0)
        #expect(zip.members[2].checksum == checksum("%PDF-1.7"))
        for member in zip.members {
            #expect(member.method == 0)
            #expect(member.flags == 0x0808)
            #expect(member.mode == 0o100644)
            #expect(member.modified == 1_784_000_000)
        }
    }

    /// What is known beforehand stands before the bytes, and nothing behind them.
    @Test func membersThatAreToldComeBackToo() throws {
        let files: [(String, pieces: [String])] = [
            ("a.csv", ["one,two\n", "three\n"]), ("empty.txt", []), ("ä", ["%PDF-1.7"]),
        ]
        let bytes = try archive(files, isTold: true)
        let zip = try ZipReader(bytes)
        #expect(zip.members.map(\.name) == files.map(\.0))
        for (member, file) in Swift.zip(zip.members, files) {
            #expect(member.flags == 0x0800 && !member.hasDescriptor)
            #expect(member.checksum == checksum(file.pieces.joined()))
            #expect(try zip.content(member) == Array(file.pieces.joined().utf8))
        }
        // A descriptor of 24 bytes and a ZIP64 field of 20 less, each.
        #expect(bytes.length == (try archive(files)).length - 3 * 44)
        let sizes = try files.map { (try member($0.0), size: Int64($0.pieces.joined().utf8.count), isTold: true) }
        #expect(StoredZip.length(of: sizes) == Int64(bytes.length))
    }

    @Test(arguments: ["right", "wrong", "short", "right and more", ""])
    func whatIsNotAsToldIsNoticed(_ sent: String) throws {
        var zip = StoredZip()
        _ = zip.begin(try member("a"), content: content("right"))
        zip.add(ByteBuffer(string: sent))
        #expect(zip.isAsTold == (sent == "right"))
    }

    @Test func anArchiveOfNothingIsOne() throws {
        let bytes = try archive([])
        #expect(bytes.length == 98)
        #expect(try ZipReader(bytes).members.isEmpty)
    }

    @Test func theSameInputGivesTheSameBytes() throws {
        let files = [("a", pieces: ["x"]), ("b", pieces: ["y", "z"])]
        let first = try archive(files)
        let second = try archive([("a", pieces: ["x"]), ("b", pieces: ["yz"])])
        #expect(try first.read(0, Int(first.length)) == second.read(0, Int(second.length)))
    }

    @Test func bytesBehindTheEndAreNotCounted() throws {
        var zip = StoredZip()
        _ = zip.begin(try member("a"))
        while zip.directory() != nil {}
        let length = zip.length
        zip.add(ByteBuffer(string: "late"))
        #expect(zip.directory() == nil)
        #expect(zip.length == length)
    }

    /// Lengths about the limits of 32 bits, before and behind one another; the bytes themselves are only counted.
    @Test(
        arguments: [
            [UInt64(0xFFFF_FFFE), 1], [0xFFFF_FFFF, 1], [0x1_0000_0000, 3], [3, 0x1_0000_0000, 5],
            [5 << 30, 7 << 40, 0, 9],
        ],
        [true, false]
    )
    func membersMayBeLongerThan32BitsCanTell(_ lengths: [UInt64], isTold: Bool) throws {
        var (zip, bytes) = (StoredZip(), SparseBytes())
        for (index, length) in lengths.enumerated() {
            let content = ZipContent(length: length, checksum: UInt32(index) &* 0x9E37_79B9)
            bytes.append(zip.begin(try member("file \(index)"), content: isTold ? content : nil))
            zip.advance(by: length, checksum: content.checksum)
            #expect(zip.isAsTold)
            bytes.appendHole(length)
        }
        while let piece = zip.directory() { bytes.append(piece) }
        #expect(zip.length == bytes.length)
        let read = try ZipReader(bytes)
        #expect(read.members.map(\.length) == lengths)
        #expect(read.members.map(\.checksum) == lengths.indices.map { UInt32($0) &* 0x9E37_79B9 })
        let announced = StoredZip.length(
            of: try lengths.enumerated().map { (try member("file \($0)"), size: Int64($1), isTold: isTold) }
        )
        #expect(announced == Int64(bytes.length))
    }

    @Test(arguments: [65_534, 65_535]) func thereMayBeMoreMembersThan16BitsCanCount(_ count: Int) throws {
        var (zip, bytes) = (StoredZip(), SparseBytes())
        for index in 0..<count { bytes.append(zip.begin(try member(String(index)))) }
        var largest = 0
        while let piece = zip.directory() {
            largest = max(largest, piece.readableBytes)
            bytes.append(piece)
        }
        let read = try ZipReader(bytes)
        #expect(read.members.count == count)
        #expect(largest <= StoredZip.pieceSize)
    }

    @Test func theLengthIsKnownBeforehand() throws {
        let files = [
            ("a.csv", pieces: ["12345"]), ("Zwölf", pieces: []), ("c", pieces: [String(repeating: "x", count: 70_000)]),
        ]
        let sizes = try files.map { (try member($0.0), size: Int64($0.pieces.joined().utf8.count), isTold: false) }
        #expect(StoredZip.length(of: sizes) == Int64(try archive(files).length))
        #expect(StoredZip.length(of: []) == 98)
    }

    @Test func noLengthIsAnnouncedThatCannotBe() throws {
        #expect(StoredZip.length(of: [(try member("a"), size: -1, isTold: false)]) == nil)
        #expect(StoredZip.length(of: [(try member("a"), size: .max, isTold: false)]) == nil)
        #expect(
            StoredZip.length(of: [
                (try member("a"), size: .max, isTold: false), (try member("b"), size: .max, isTold: false),
            ]) == nil
        )
        #expect(StoredZip.length(of: [(try member("a"), size: .max - 1000, isTold: true)]) != nil)
    }

    @Test(arguments: [
        "", "/", "/etc/passwd", "..", "../a", "a/../b", "a/..", ".", "a/./b", "a//b", "a/", "a\\b", "..\\a", "C:a",
        "C:\\a",
        "a\u{0}b", "a\nb", "a\u{7F}", String(repeating: "x", count: 65_536),
    ])
    func aNameThatCouldLandElsewhereIsNoMember(_ name: String) {
        #expect(ZipMember(name: name, modified: 0) == nil)
    }

    @Test(arguments: ["a", "a/b", "...", "..a", "a..", ".hidden", " ", "☕️", String(repeating: "x", count: 65_535)])
    func anyOtherNameIs(_ name: String) throws {
        let bytes = try archive([(name, ["x"])])
        #expect(try ZipReader(bytes).members.map(\.name) == [name])
    }

    /// Seconds since 1970, and what MS-DOS makes of them.
    private static let times: [(Int64, String)] = [
        (0, "1980-1-1 0:0:0"), (.min, "1980-1-1 0:0:0"), (315_532_800, "1980-1-1 0:0:0"),
        (951_782_399, "2000-2-28 23:59:58"), (951_782_400, "2000-2-29 0:0:0"), (951_868_800, "2000-3-1 0:0:0"),
        (1_795_242_485, "2026-11-21 6:28:4"), (4_107_542_399, "2100-2-28 23:59:58"), (4_107_542_400, "2100-3-1 0:0:0"),
        (4_354_819_199, "2107-12-31 23:59:58"), (.max, "2107-12-31 23:59:58"),
    ]

    @Test(arguments: times) func timesAreThoseOfMSDOS(_ seconds: Int64, _ text: String) {
        let time = ZipTime(seconds)
        let date = "\(Int(time.date >> 9) + 1980)-\(time.date >> 5 & 15)-\(time.date & 31)"
        #expect("\(date) \(time.time >> 11):\(time.time >> 5 & 63):\((time.time & 31) * 2)" == text)
        #expect(time.unix == Int32(exactly: seconds))
    }
}
