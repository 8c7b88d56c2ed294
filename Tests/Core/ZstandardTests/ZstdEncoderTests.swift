import NIOCore
import Synchronization
import Testing
import ZlibReference
import ZstdReference

@testable import ParallelGzip
@testable import Zstandard

@Suite struct ZstdEncoderTests {
    static let block = ZstdEncoder.blockSize
    static let sizes = [0, 1, 2, block - 1, block, block + 1, 2 * block, 10 * block + 7]

    @Test(arguments: sizes, ZstdLevel.allCases)
    func libzstdReadsTheSameBytes(size: Int, level: ZstdLevel) async throws {
        let bytes = rows(size)
        for length in [nil, Int64(size)] {
            let encoder = ZstdEncoder(level: level, pool: pool)
            let encoded = try await encoder.encode(bytes, cut: 40_000, length: length).bytes
            #expect(unzstd(encoded) == bytes)
            #expect(size < Self.block || encoded.count < size / 2)
        }
    }

    @Test(arguments: sizes, ZstdLevel.allCases)
    func incompressibleBytesSurvive(size: Int, level: ZstdLevel) async throws {
        let bytes = noise(size)
        let encoded = try await ZstdEncoder(level: level, pool: pool).encode(bytes)
        #expect(unzstd(encoded.bytes) == bytes)
        #expect(encoded.pieces.allSatisfy { !$0.isEmpty && $0.count <= ZstdEncoder.largestPiece })
        #expect(encoded.bytes.count <= bytes.count + bytes.count / 1000 + 64)
    }

    /// A block that repeats what came just before it is little more than a reference.
    @Test(arguments: ZstdLevel.allCases)
    func blocksKnowWhatCameBefore(level: ZstdLevel) async throws {
        let encoder = ZstdEncoder(level: level, pool: pool)
        let first = rows(Self.block)
        let second = Array(first.suffix(3000))
        let together = try await encoder.encode(first + second).bytes
        let apart = (try await encoder.encode(first).bytes.count, try await encoder.encode(second).bytes.count)
        #expect(unzstd(together) == first + second)
        #expect(together.count - apart.0 < apart.1 / 3)
    }

    @Test(arguments: ZstdLevel.allCases)
    func theHeaderSaysWhatIsKnown(level: ZstdLevel) async throws {
        let encoder = ZstdEncoder(level: level, pool: pool)
        for size in [1, 300, 70_000, 3 << 20] {
            let bytes = rows(size)
            let unknown = try #require(ZstdHeader(try await encoder.encode(bytes).bytes))
            let known = try #require(ZstdHeader(try await encoder.encode(bytes, length: Int64(size)).bytes))
            #expect(unknown.length == nil && known.length == UInt64(size))
            for header in [unknown, known] {
                #expect(header.hasChecksum && !header.hasDictionary)
                // RFC 9659, 3.
                #expect(header.window <= 8 << 20)
            }
        }
        let empty = try await encoder.encode([])
        #expect(empty.pieces.map(\.count) == [13])
        #expect(unzstd(empty.bytes) == [])
    }

    @Test func aWrongByteFailsTheChecksum() async throws {
        // Noise is stored as it is, so that nothing but the checksum can find a changed byte.
        var encoded = try await ZstdEncoder(level: .fast, pool: pool).encode(noise(5000)).bytes
        encoded[2000] ^= 1
        #expect(ZstdReading(encoded).fault == "Restored data doesn't match checksum")
    }

    @Test(arguments: [-1, 1])
    func anotherLengthThanWasAnnouncedIsAnError(difference: Int) async throws {
        let bytes = rows(100_000)
        var encoded: [UInt8] = []
        var last: [UInt8] = []
        var rest = ByteBuffer(bytes: bytes)
        let error = await #expect(throws: ZstdError.self) {
            try await ZstdEncoder(level: .fast, pool: pool)
                .encode(length: Int64(bytes.count + difference)) {
                    let piece = rest.readSlice(length: min(rest.readableBytes, 7000))
                    return piece.flatMap { $0.readableBytes > 0 ? $0 : nil }
                } to: {
                    encoded += $0.readableBytesView
                } breakOff: {
                    last += $0.readableBytesView
                }
        }
        #expect(error?.code == .otherLength)
        #expect(unzstd(encoded) == nil && unzstd(encoded + last) == nil)
    }

    @Test(arguments: [1, 7, 1000, 65_536, 1 << 20], ZstdLevel.allCases)
    func outputDoesNotDependOnHowInputIsCut(cut: Int, level: ZstdLevel) async throws {
        // One byte at a time through all of it shows nothing that fewer would not.
        let bytes = cut < 1000 ? rows(270_000) : rows(600_000) + noise(300_000)
        let one = ZstdEncoder(level: level, pool: CompressionPool(threads: 1)) { _ in throw Broken() }
        let many = ZstdEncoder(level: level, pool: CompressionPool(threads: 4)) { _ in throw Broken() }
        let whole = try await one.encode(bytes, cut: bytes.count).bytes
        #expect(try await many.encode(bytes, cut: cut).bytes == whole)
    }

    @Test func emptyPiecesDoNotEndTheStream() async throws {
        var pieces = [ByteBuffer(), ByteBuffer(string: "a"), ByteBuffer(), ByteBuffer(string: "b"), ByteBuffer()][...]
        var encoded: [UInt8] = []
        try await ZstdEncoder(level: .best, pool: pool)
            .encode {
                pieces.popFirst()
            } to: {
                encoded += Array($0.readableBytesView)
            }
        #expect(unzstd(encoded) == Array("ab".utf8))
    }

    @Test(arguments: ZstdLevel.allCases)
    func goneReaderStopsTheSource(level: ZstdLevel) async throws {
        let pulled = Atomic(0)
        await #expect(throws: Broken.self) {
            try await ZstdEncoder(level: level, pool: pool)
                .encode {
                    pulled.add(1, ordering: .relaxed)
                    return ByteBuffer(repeating: 7, count: Self.block)
                } to: { _ in
                    throw Broken()
                } breakOff: { _ in
                    Issue.record("nobody reads it")
                }
        }
        #expect(pulled.load(ordering: .relaxed) <= ZstdEncoder.blocksInFlight + 1)
    }

    /// More streams than threads: each gets its own bytes, in order.
    @Test(arguments: [1, 3])
    func streamsShareAPool(threads: Int) async throws {
        let pool = CompressionPool(threads: threads)
        try await withThrowingTaskGroup { group in
            for seed in UInt64(1)...8 {
                group.addTask {
                    let bytes = rows(700_000, seed: seed)
                    let level = ZstdLevel.allCases[Int(seed) % ZstdLevel.allCases.count]
                    #expect(unzstd(try await ZstdEncoder(level: level, pool: pool).encode(bytes).bytes) == bytes)
                    // The same threads do gzip.
                    var packed: [UInt8] = []
                    var rest = ByteBuffer(bytes: bytes)
                    try await GzipEncoder(level: .fast, pool: pool)
                        .encode {
                            let piece = rest.readSlice(length: min(rest.readableBytes, 50_000))
                            return piece.flatMap { $0.readableBytes > 0 ? $0 : nil }
                        } to: {
                            packed += $0.readableBytesView
                        }
                    #expect(gunzip(packed) == bytes)
                }
            }
            try await group.waitForAll()
        }
    }

    @Test(arguments: ZstdLevel.allCases)
    func libzstdTakesNoMoreThanIsCounted(level: ZstdLevel) throws {
        let coder = try ZstdCoder(ZstdParameters(level), length: nil)
        let thread = BlockCompressor()
        let block = Block()
        var history = History()
        for _ in 0..<12 {
            block.begin(after: history, limit: Block.capacity)
            var input = ByteBuffer(bytes: rows(Block.capacity))
            block.append(&input)
            history.follow(block)
            _ = try coder.compress(block, rung: 0, on: thread)
        }
        #expect(coder.memory > 1 << 20)
        #expect(coder.memory <= ZstdParameters.memory)
    }
}
