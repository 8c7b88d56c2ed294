/// Decides how many blocks are in flight, and for an adaptive stream with how much effort the next block is compressed.
///
/// The client's speed can be measured only while everything else waits for the client, and the compressor's only for efforts that
/// were used. So the times are summed up over a few blocks (a window). The time that the client needs for a mebibyte is compared
/// with what each effort needs for one, and the highest effort that fits is used. It goes up by one step at a time, because
/// the cost of the next step is an estimate, and down at once.
package struct Pace: Sendable {
    /// What was measured for a block when the client has taken it.
    struct Delivery: Sendable {
        var rung: Int
        /// The bytes that went in.
        var length: Int
        /// How long a thread worked on it.
        var work: Duration
        /// How long the client side had nothing to send because this block was still being compressed.
        var starved: Duration
        /// How long the client took to accept it.
        var blocked: Duration
    }

    /// The part of the available time that is planned for. The rest is for other work on the cores.
    private static let headroom = 0.8
    private static let firstPatience = 4
    private static let lastPatience = 64

    /// The time that each effort takes for a block, relative to the others: from the fastest to the smallest output; one for a fixed
    /// level.
    private let relativeCosts: [Double]
    private let threads: Int
    private let largestDepth: Int
    /// The effort for the next block, as a place in the ladder of efforts.
    private(set) var rung = 0
    /// How many filled blocks may wait for compression or for the client.
    private(set) var depth = 1

    /// How many bytes of input the next block takes. For a fixed level it is always the same, so that the output is the same.
    var blockSize: Int { relativeCosts.count > 1 && depth == 1 ? Block.smallCapacity : Block.capacity }

    /// Seconds for a mebibyte, measured for each effort; nil where it was never used.
    private var costs: [Double?]
    private var window = Window()
    /// How many windows must pass before an effort that was too slow is tried again.
    private var patience = Self.firstPatience
    private var wait = 0

    /// - Parameters:
    ///   - threads: How many blocks of the stream can be compressed at once.
    ///   - largestDepth: The most blocks that may wait for compression or for the client.
    package init(relativeCosts: [Double], threads: Int, largestDepth: Int) {
        self.relativeCosts = relativeCosts
        self.threads = threads
        self.largestDepth = largestDepth
        costs = relativeCosts.map { _ in nil }
    }

    init(ladder: [Effort], threads: Int, largestDepth: Int) {
        self.init(relativeCosts: ladder.map(\.relativeCost), threads: threads, largestDepth: largestDepth)
    }

    mutating func delivered(_ block: Delivery) {
        if block.starved * 4 > block.blocked {
            depth = min(depth + 1, largestDepth)
        } else if block.blocked > block.work * 4 {
            depth = max(depth - 1, 1)
        }
        guard relativeCosts.count > 1, block.length > 0 else { return }
        let cost = block.work.seconds * 1_048_576 / Double(block.length)
        costs[block.rung] = costs[block.rung].map { $0 + (cost - $0) / 4 } ?? cost
        // Blocks that were compressed with the former effort say nothing about the present one.
        guard block.rung == rung else { return }
        window.add(block)
        guard window.isFull else { return }
        decide()
        window = Window()
    }

    private mutating func decide() {
        // The processor time for a mebibyte, over all threads, with which the compressor is as fast as the client.
        let budget = window.secondsPerMebibyte * Double(threads) * Self.headroom
        if window.starved > window.blocked {
            guard rung > 0 else { return }
            let fitting = (0..<rung).last { cost(of: $0) <= budget } ?? 0
            rung = fitting
            wait = patience
            patience = min(patience * 2, Self.lastPatience)
        } else if rung + 1 < relativeCosts.count, cost(of: rung + 1) <= budget {
            if cost(of: rung + 1) * 2 <= budget {
                // There is much time left, because the client has become slower: the next effort is tried at once.
                patience = Self.firstPatience
                wait = 0
            }
            if wait > 0 { wait -= 1 } else { rung += 1 }
        }
    }

    /// The measured cost of an effort, or an estimate from the nearest faster one that was measured.
    private func cost(of rung: Int) -> Double {
        guard let known = (0...rung).last(where: { costs[$0] != nil }), let cost = costs[known] else { return 0 }
        return cost * relativeCosts[rung] / relativeCosts[known]
    }

    /// The times of the last few blocks, summed up.
    private struct Window {
        var starved = Duration.zero
        var blocked = Duration.zero
        private var blocks = 0
        private var length = 0

        mutating func add(_ block: Delivery) {
            starved += block.starved
            blocked += block.blocked
            blocks += 1
            length += block.length
        }

        /// Whether the window is long enough: a few blocks over a time in which a short delay of the scheduler does not matter, or a
        /// long time.
        var isFull: Bool {
            let time = starved + blocked
            return (blocks >= 4 && time >= .milliseconds(10)) || blocks >= 64 || time >= .milliseconds(100)
        }

        var secondsPerMebibyte: Double { (starved + blocked).seconds * 1_048_576 / Double(length) }
    }
}

extension Effort {
    /// The time for a block, relative to ISA-L's level 2. Measured with rows of an export.
    fileprivate var relativeCost: Double {
        switch (engine, level) {
        case (.isal, 3): 1.5
        case (.isal, _): 1
        case (.zlib, 1): 3.7
        case (.zlib, 3): 5.5
        case (.zlib, 4): 6.5
        case (.zlib, 5): 9
        case (.zlib, 6): 12.5
        default: 25
        }
    }
}

extension Duration {
    fileprivate var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}
