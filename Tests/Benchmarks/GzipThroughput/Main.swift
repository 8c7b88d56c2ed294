import Foundation
import NIOCore
import ParallelGzip

/// Measures the encoder alone, on a file, beside the command line compressors of the system, on the same cores:
///
///     taskset -c 1 .build/release/gzip-throughput FILE [--threads N] [--rate MEGABYTES] [--rounds N] [--no-peers]
///
/// With `--rate`, a client takes that many megabytes of encoded bytes in a second, through a socket buffer of 256 KiB.
@main struct Main {
    static func main() async throws {
        var arguments = CommandLine.arguments.dropFirst()
        var file: String?
        var threads: Int?
        var rate: Double?
        var rounds = 3
        var runsPeers = true
        while let argument = arguments.popFirst() {
            switch argument {
            case "--threads": threads = arguments.popFirst().flatMap(Int.init)
            case "--rate": rate = arguments.popFirst().flatMap(Double.init)
            case "--rounds": rounds = arguments.popFirst().flatMap(Int.init) ?? rounds
            case "--no-peers": runsPeers = false
            default: file = argument
            }
        }
        guard let file else {
            print("usage: gzip-throughput FILE [--threads N] [--rate MEGABYTES] [--rounds N] [--no-peers]")
            exit(64)
        }
        let bytes = ByteBuffer(bytes: try Data(contentsOf: URL(fileURLWithPath: file)))
        let pool = threads.map { CompressionPool(threads: $0) } ?? CompressionPool()
        print("\(file): \(bytes.readableBytes) bytes; \(pool.threads) threads; median of \(rounds)")
        for engine in GzipEngine.available {
            for level in GzipLevel.allCases {
                var times: [Double] = []
                var count = 0
                for _ in 0..<rounds {
                    let encoder = GzipEncoder(level: level, pool: pool, engine: engine)
                    let run = try await encode(bytes, with: encoder, for: Client(rate: rate.map { $0 * 1e6 }))
                    times.append(run.seconds)
                    count = run.count
                }
                report("\(engine.rawValue) \(level.rawValue)", bytes.readableBytes, times, count)
            }
        }
        guard runsPeers else { return }
        let peers = [
            ["igzip", "-1"], ["igzip", "-2"], ["igzip", "-3"], ["pigz", "-1"], ["pigz", "-6"], ["gzip", "-1"],
            ["gzip", "-6"],
        ]
        for peer in peers {
            var times: [Double] = []
            var count = 0
            for _ in 0..<rounds {
                let begin = ContinuousClock.now
                count = try output(peer + ["-c", file])
                times.append((ContinuousClock.now - begin) / .seconds(1))
            }
            report(peer.joined(separator: " "), bytes.readableBytes, times, count)
        }
    }

    nonisolated static func encode(
        _ bytes: ByteBuffer,
        with encoder: GzipEncoder,
        for client: Client
    ) async throws -> (seconds: Double, count: Int) {
        let begin = ContinuousClock.now
        var rest = bytes
        try await encoder.encode {
            let piece = rest.readSlice(length: min(rest.readableBytes, 64 << 10))
            return piece.flatMap { $0.readableBytes > 0 ? $0 : nil }
        } to: {
            try await client.take($0.readableBytes)
        }
        try await client.drain()
        return ((ContinuousClock.now - begin) / .seconds(1), await client.count)
    }

    static func report(_ name: String, _ input: Int, _ times: [Double], _ output: Int) {
        let median = times.sorted()[times.count / 2]
        let speed = String(format: "%8.1f MB/s %8.3f s", Double(input) / median / 1e6, median)
        print(name.padding(toLength: 20, withPad: " ", startingAt: 0), speed, output, "bytes")
    }

    /// How many bytes the command prints.
    static func output(_ command: [String]) throws -> Int {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        var count = 0
        while case let data = pipe.fileHandleForReading.availableData, !data.isEmpty { count += data.count }
        process.waitUntilExit()
        return count
    }
}

/// Takes bytes at a rate, with a socket buffer before it.
actor Client {
    private static let buffer = 256.0 * 1024
    private let rate: Double?
    private var begin = ContinuousClock.now
    private(set) var count = 0

    init(rate: Double?) { self.rate = rate }

    func take(_ bytes: Int) async throws {
        count += bytes
        try await wait(buffered: Self.buffer)
    }

    func drain() async throws { try await wait(buffered: 0) }

    private func wait(buffered: Double) async throws {
        guard let rate else { return }
        let now = ContinuousClock.now
        let due = begin + .seconds((Double(count) - buffered) / rate)
        // A client that waited did not store up speed.
        if now > begin + .seconds(Double(count) / rate) { begin = now - .seconds(Double(count) / rate) }
        if due > now { try await Task.sleep(until: due, clock: .continuous) }
    }
}
