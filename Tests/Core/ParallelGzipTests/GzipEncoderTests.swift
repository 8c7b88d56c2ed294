import NIOCore
import Synchronization
import Testing
import ZlibReference

@testable import ParallelGzip

@Suite struct GzipEncoderTests {
    static let block = GzipEncoder.blockSize
    static let sizes = [0, 1, 2, block - 1, block, block + 1, 2 * block, 10 * block + 7]

    @Test(arguments: sizes, GzipLevel.allCases)
    func anotherProgramReadsTheSameBytes(size: Int, level: GzipLevel) async throws {
        let bytes = rows(size)
        for engine in GzipEngine.available {
            let encoder = GzipEncoder(level: level, pool: pool, engine: engine)
            #expect(gunzip(try await encoder.encode(bytes, cut: 40_000).bytes) == bytes)
        }
    }

    @Test(arguments: sizes, GzipLevel.allCases)
    func incompressibleBytesSurvive(size: Int, level: GzipLevel) async throws {
        let bytes = noise(size)
        for engine in GzipEngine.available {
            let encoded = try await GzipEncoder(level: level, pool: pool, engine: engine).encode(bytes)
            #expect(gunzip(encoded.bytes) == bytes)
            #expect(encoded.pieces.allSatisfy { !$0.isEmpty && $0.count <= GzipEncoder.largestPiece })
            #expect(encoded.bytes.count <= bytes.count + bytes.count / 500 + 64)
        }
    }

    /// A block that repeats what came just before it is little more than a reference.
    @Test(arguments: GzipEngine.available)
    func blocksKnowWhatCameBefore(engine: GzipEngine) async throws {
        let encoder = GzipEncoder(level: .fast, pool: pool, engine: engine)
        let first = rows(Self.block)
        let second = Array(first.suffix(3000))
        let together = try await encoder.encode(first + second).bytes
        let apart = (try await encoder.encode(first).bytes.count, try await encoder.encode(second).bytes.count)
        #expect(gunzip(together) == first + second)
        #expect(together.count - apart.0 < apart.1 / 3)
    }

    @Test func headerTellsNothingOfTimeAndPlace() async throws {
        let encoded = try await GzipEncoder(level: .balanced, pool: pool).encode(rows(100)).bytes
        #expect(encoded.prefix(10) == [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
        let empty = try await GzipEncoder(level: .balanced, pool: pool).encode([])
        #expect(empty.pieces.map(\.count) == [20])
    }

    @Test(arguments: [1, 7, 1000, 65_536, 1 << 20], [GzipLevel.fast, .balanced, .best])
    func outputDoesNotDependOnHowInputIsCut(cut: Int, level: GzipLevel) async throws {
        // One byte at a time through all of it shows nothing that fewer would not.
        let bytes = cut < 1000 ? rows(270_000) : rows(600_000) + noise(300_000)
        for engine in GzipEngine.available {
            let one = GzipEncoder(level: level, pool: CompressionPool(threads: 1), engine: engine) { _ in throw Broken()
            }
            let many = GzipEncoder(level: level, pool: CompressionPool(threads: 4), engine: engine) { _ in
                throw Broken()
            }
            let whole = try await one.encode(bytes, cut: bytes.count).bytes
            #expect(try await many.encode(bytes, cut: cut).bytes == whole)
        }
    }

    @Test func emptyPiecesDoNotEndTheStream() async throws {
        var pieces = [ByteBuffer(), ByteBuffer(string: "a"), ByteBuffer(), ByteBuffer(string: "b"), ByteBuffer()][...]
        var encoded: [UInt8] = []
        try await GzipEncoder(level: .best, pool: pool)
            .encode {
                pieces.popFirst()
            } to: {
                encoded += Array($0.readableBytesView)
            }
        #expect(gunzip(encoded) == Array("ab".utf8))
    }

    @Test(arguments: [0, 1, 40], GzipLevel.allCases)
    func brokenSourceLeavesNoCompleteMember(piecesBefore: Int, level: GzipLevel) async throws {
        let bytes = noise(40 * 10_000)
        var given = 0
        var encoded: [UInt8] = []
        await #expect(throws: Broken.self) {
            try await GzipEncoder(level: level, pool: pool)
                .encode {
                    guard given < piecesBefore else { throw Broken() }
                    defer { given += 1 }
                    return ByteBuffer(bytes: bytes[(given * 10_000)..<((given + 1) * 10_000)])
                } to: {
                    encoded += Array($0.readableBytesView)
                }
        }
        #expect(gunzip(encoded) == nil)
    }

    @Test(arguments: GzipLevel.allCases)
    func goneReaderStopsTheSource(level: GzipLevel) async throws {
        let encoder = GzipEncoder(level: level, pool: pool)
        let pulled = Atomic(0)
        await #expect(throws: Broken.self) {
            try await encoder.encode {
                pulled.add(1, ordering: .relaxed)
                return ByteBuffer(repeating: 7, count: Self.block)
            } to: { _ in
                throw Broken()
            }
        }
        #expect(pulled.load(ordering: .relaxed) <= encoder.blocksInFlight + 1)
    }
}
