import Foundation
import NIOCore
import Testing
import TestSupport
import ZlibReference

@testable import ParallelGzip

/// Valid members, damaged in ways made from a seed: the decoder ends with the bytes that another reader finds, or with an
/// error where that one finds none, and never depends on how its input is cut.
///
/// An ordinary run is the same each time. With `FUZZ_MINUTES` in the environment it goes on for that long, with another
/// seed each time, and prints how often the decoder ran.
@Suite struct GzipDecoderFuzzTests {
    static let seeds: [[UInt8]] = {
        let folder = Bundle.module.resourceURL?.appending(path: "Fixtures/decoder")
        let files = folder.flatMap {
            try? FileManager.default.contentsOfDirectory(at: $0, includingPropertiesForKeys: nil)
        }
        return (files ?? []).sorted { $0.path < $1.path }.compactMap { try? Data(contentsOf: $0) }.map { Array($0) }
    }()

    @Test func seedsAreWhole() async throws {
        #expect(Self.seeds.count >= 10)
        for seed in Self.seeds {
            let read = try await decode(seed, cut: 5)
            #expect(read == gunzip(members: seed))
        }
    }

    @Test func damagedMembersAreReadAsAnotherReaderReadsThem() async throws {
        guard let minutes = ProcessInfo.processInfo.environment["FUZZ_MINUTES"].flatMap(Double.init) else {
            var random = SeededRandom(seed: 20_260_101)
            for _ in 0..<1000 { await Self.check(Self.damaged(&random), &random) }
            return
        }
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(seed: seed)
        let begin = ContinuousClock.now
        var count = 0
        while ContinuousClock.now - begin < .seconds(minutes * 60) {
            await Self.check(Self.damaged(&random), &random)
            count += 1
        }
        let took = (ContinuousClock.now - begin) / Duration.seconds(60)
        print("fuzz gzip decoder: \(count) executions in \(String(format: "%.2f", took)) minutes, seed \(seed)")
    }

    private static func check(_ bytes: [UInt8], _ random: inout SeededRandom) async {
        let limit = 100_000
        let expected = gunzip(members: bytes, limit: limit)
        let cut = [1, 2, 3, 17, 64, 1 << 20].randomElement(using: &random) ?? 1
        do {
            let read = try await decode(bytes, cut: cut, .init(length: Int64(limit)))
            #expect(read == expected, "\(bytes)")
        } catch let error as GzipError {
            #expect(expected == nil, "\(error.label) \(bytes)")
            #expect([.corrupt, .truncated, .tooLong].contains(error.code))
        } catch {
            Issue.record(error)
        }
    }

    /// One of the seeds after one to six accidents.
    private static func damaged(_ random: inout SeededRandom) -> [UInt8] {
        var bytes = seeds.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            guard !bytes.isEmpty else { break }
            let place = Int.random(in: 0..<bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 1...16, using: &random))
            switch Int.random(in: 0..<9, using: &random) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
            case 2: bytes[place] = [0, 1, 0x1F, 0x7F, 0x80, 0x8B, 0xFF].randomElement(using: &random) ?? 0
            case 3: bytes.removeSubrange(place..<end)
            case 4: bytes.insert(contentsOf: bytes[place..<end], at: place)
            case 5: bytes.removeSubrange(place...)
            case 6: bytes.insert(UInt8.random(in: .min ... .max, using: &random), at: place)
            case 7: bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &random))
            default:
                // The head of one and the tail of another.
                let other = seeds.randomElement(using: &random) ?? []
                bytes = bytes[..<place] + other.suffix(Int.random(in: 0...other.count, using: &random))
            }
        }
        return bytes
    }
}
