/// Who waits for whom: decides how many blocks are in flight, and for an adaptive stream how hard the next is compressed.
///
/// The client's speed is known only while the client is what everything waits for; the compressor's only for the efforts
/// that were tried. So what happened is summed up over a few blocks, the time that the client leaves for a mebibyte is
/// held against what each effort needs for one, and the hardest that fits is taken: one rung up at a time, because the
/// cost of the next is a guess, and down at once.
struct Pace: Sendable {
    /// What is known of a block when the client has taken it.
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

    /// How much of the time that the client leaves may be planned for: the rest is for whatever else the cores do.
    private static let headroom = 0.8
    private static let firstPatience = 4
    private static let lastPatience = 64

    /// From the quickest to the smallest; one for a fixed level.
    let ladder: [Effort]
    private let threads: Int
    private let largestDepth: Int
    /// The effort for the next block, as an index of `ladder`.
    private(set) var rung = 0
    /// How many blocks may be on their way from the input's end to the client's acceptance.
    private(set) var depth = 1

    /// How much of the input the next block takes. A fixed level cuts in the same places always.
    var blockSize: Int { ladder.count > 1 && depth == 1 ? Block.smallCapacity : Block.capacity }

    /// Seconds for a mebibyte, measured; nil where it never was.
    private var costs: [Double?]
    private var window = Window()
    /// How many windows must pass before a rung that turned out too hard is tried again.
    private var patience = Self.firstPatience
    private var wait = 0

    init(ladder: [Effort], threads: Int, largestDepth: Int) {
        self.ladder = ladder
        self.threads = threads
        self.largestDepth = largestDepth
        costs = ladder.map { _ in nil }
    }

    mutating func delivered(_ block: Delivery) {
        if block.starved * 4 > block.blocked {
            depth = min(depth + 1, largestDepth)
        } else if block.blocked > block.work * 4 {
            depth = max(depth - 1, 1)
        }
        guard ladder.count > 1, block.length > 0 else { return }
        let cost = block.work.seconds * 1_048_576 / Double(block.length)
        costs[block.rung] = costs[block.rung].map { $0 + (cost - $0) / 4 } ?? cost
        // Those that were under way when the rung changed tell nothing of the new one.
        guard block.rung == rung else { return }
        window.add(block)
        guard window.isFull else { return }
        decide()
        window = Window()
    }

    private mutating func decide() {
        // What a mebibyte may cost on all threads together, for the compressor to keep up with this client.
        let budget = window.secondsPerMebibyte * Double(threads) * Self.headroom
        if window.starved > window.blocked {
            guard rung > 0 else { return }
            let fitting = (0..<rung).last { cost(of: $0) <= budget } ?? 0
            rung = fitting
            wait = patience
            patience = min(patience * 2, Self.lastPatience)
        } else if rung + 1 < ladder.count, cost(of: rung + 1) <= budget {
            if cost(of: rung + 1) * 2 <= budget {
                // Far from the edge: the client has become slower.
                patience = Self.firstPatience
                wait = 0
            }
            if wait > 0 { wait -= 1 } else { rung += 1 }
        }
    }

    /// Measured, or guessed from the nearest quicker one that was.
    private func cost(of rung: Int) -> Double {
        guard let known = (0...rung).last(where: { costs[$0] != nil }), let cost = costs[known] else { return 0 }
        return cost * ladder[rung].relativeCost / ladder[known].relativeCost
    }

    /// What happened to the last few blocks.
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

        /// A few blocks and long enough that a hiccup of the scheduler does not count, or long enough alone.
        var isFull: Bool {
            let time = starved + blocked
            return (blocks >= 4 && time >= .milliseconds(10)) || blocks >= 64 || time >= .milliseconds(100)
        }

        var secondsPerMebibyte: Double { (starved + blocked).seconds * 1_048_576 / Double(length) }
    }
}

extension Effort {
    /// The time for a block, where ISA-L's level 2 is 1; measured on rows of an export.
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
