import Testing

@testable import ParallelGzip

/// Who waits for whom, on a clock of our own: no thread, no byte.
@Suite struct PaceTests {
    /// What a rung does to a mebibyte of the file, measured on rows of an export.
    struct Rung: Sendable {
        var seconds: Double
        var ratio: Double
    }

    struct Machine: Sendable, CustomTestStringConvertible {
        var engine: GzipEngine
        var threads: Int
        /// How much slower than it was measured every rung is.
        var slowness = 1.0

        var testDescription: String { "\(engine.rawValue), \(threads) threads, slowness \(slowness)" }

        var rungs: [Rung] {
            Effort.ladder(on: engine)
                .map { effort in
                    let (speed, ratio) =
                        switch (effort.engine, effort.level) {
                        case (.isal, 1): (510.0, 0.382)
                        case (.isal, 2): (480.0, 0.367)
                        case (.isal, _): (320.0, 0.359)
                        case (.zlib, 1): (135.0, 0.394)
                        case (.zlib, 3): (92.0, 0.373)
                        case (.zlib, 4): (77.0, 0.362)
                        case (.zlib, 5): (54.0, 0.340)
                        case (.zlib, 6): (38.0, 0.333)
                        case (.zlib, 7): (33.0, 0.330)
                        default: (20.0, 0.326)
                        }
                    return Rung(seconds: 1.048576 / speed * slowness, ratio: ratio)
                }
        }
    }

    static let machines = GzipEngine.allCases.flatMap { engine in
        [1, 2, 4]
            .flatMap { threads in
                [0.6, 1, 1.8].map { Machine(engine: engine, threads: threads, slowness: $0) }
            }
    }

    /// A file of 256 MiB on its way to a client that takes so many bytes in a second.
    struct Journey {
        var pace: Pace
        var rungs: [Rung]
        var now = 0.0
        private var threads: [Double]
        private var drained = 0.0
        private var flying: [(rung: Int, length: Int, submitted: Double, finished: Double)] = []
        private(set) var sent = 0.0

        init(_ machine: Machine, ladder: [Effort], rungs: [Rung]) {
            pace = Pace(ladder: ladder, threads: machine.threads, largestDepth: machine.threads + 2)
            threads = Array(repeating: 0, count: machine.threads)
            self.rungs = rungs
        }

        mutating func travel(mebibytes: Int, rate: Double) {
            let whole = mebibytes << 20
            var submitted = 0
            var delivered = 0
            while delivered < whole {
                while flying.count < pace.depth, submitted < whole {
                    let length = pace.blockSize
                    let free = threads.indices.min { threads[$0] < threads[$1] } ?? 0
                    threads[free] = max(threads[free], now) + work(pace.rung, length)
                    flying.append((pace.rung, length, now, threads[free]))
                    submitted += length
                }
                let block = flying.removeFirst()
                let begin = max(now, block.finished)
                let bytes = rungs[block.rung].ratio * Double(block.length)
                // The socket holds 256 KiB: the client side waits until the rest of it is with the client.
                drained = max(drained, begin) + bytes / rate
                let end = max(begin, drained - 262_144 / rate)
                sent += bytes
                pace.delivered(
                    Pace.Delivery(
                        rung: block.rung,
                        length: block.length,
                        work: .seconds(work(block.rung, block.length)),
                        starved: .seconds(max(0, block.finished - max(now, block.submitted))),
                        blocked: .seconds(end - begin)
                    )
                )
                now = end
                delivered += block.length
            }
            now = max(now, drained)
        }

        private func work(_ rung: Int, _ length: Int) -> Double { rungs[rung].seconds * Double(length) / 1_048_576 }
    }

    static let rates = [0.06e6, 2e6, 20e6, 200e6, 2e9, .infinity]

    @Test(arguments: machines, rates)
    func takesHardlyLongerThanTheBestFixedLevel(machine: Machine, rate: Double) {
        let ladder = Effort.ladder(on: machine.engine)
        let fixed = ladder.indices.map { index in
            var journey = Journey(machine, ladder: [ladder[index]], rungs: [machine.rungs[index]])
            journey.travel(mebibytes: 256, rate: rate)
            return journey.now
        }
        var adaptive = Journey(machine, ladder: ladder, rungs: machine.rungs)
        adaptive.travel(mebibytes: 256, rate: rate)
        let best = fixed.min() ?? 0
        #expect(adaptive.now <= best * 1.1, "\(adaptive.now) s; fixed \(fixed)")
    }

    /// A client on a slow line gets the fewest bytes; one that is quicker than any compressor the quickest.
    @Test(arguments: machines)
    func endsWhereTheClientIs(machine: Machine) {
        let ladder = Effort.ladder(on: machine.engine)
        var journey = Journey(machine, ladder: ladder, rungs: machine.rungs)
        journey.travel(mebibytes: 50, rate: 64e3)
        #expect(journey.pace.rung == ladder.count - 1)
        #expect(journey.pace.depth == 1)
        #expect(journey.pace.blockSize == Block.smallCapacity)
        journey.travel(mebibytes: 100, rate: .infinity)
        #expect(journey.pace.rung == 0)
        #expect(journey.pace.blockSize == Block.capacity)
        #expect(journey.pace.depth == machine.threads + 2)
        journey.travel(mebibytes: 100, rate: 1e6)
        #expect(journey.pace.rung == ladder.count - 1)
    }

    @Test func aFixedLevelStaysWhatItIs() {
        let machine = Machine(engine: .zlib, threads: 2)
        var journey = Journey(machine, ladder: [Effort(.best, on: .zlib)], rungs: [machine.rungs[4]])
        journey.travel(mebibytes: 25, rate: 64e3)
        #expect(journey.pace.rung == 0)
        #expect(journey.pace.depth == 1)
        #expect(journey.pace.blockSize == Block.capacity)
        journey.travel(mebibytes: 25, rate: .infinity)
        #expect(journey.pace.depth == 4)
    }
}
