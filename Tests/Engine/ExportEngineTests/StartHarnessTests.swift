import Testing

/// Rows B1 to B5 of the article "Faults that were found", in every order that a seed gives.
@Suite(.timeLimit(.minutes(2))) struct StartHarnessTests {
    private func runs(_ count: Int, from seed: UInt64, _ rules: StartRules) async -> StartHarness.Outcome {
        await withTaskGroup(of: StartHarness.Outcome.self) { group in
            let share = count / 4
            for part in 0..<4 {
                group.addTask {
                    var sum = StartHarness.Outcome()
                    for number in part * share..<(part + 1) * share {
                        sum.add(await StartHarness.run(seed: seed &+ UInt64(number) &* 0x9E37_79B9, rules: rules))
                    }
                    return sum
                }
            }
            return await group.reduce(into: StartHarness.Outcome()) { $0.add($1) }
        }
    }

    @Test("fault B1 B2 B3 B4 B5: ten thousand upstreams, nothing is started twice, taken for another's, or lost")
    func nothingIsStartedTwiceOrLost() async {
        let seed = UInt64.random(in: .min ... .max)
        let outcome = await runs(10_000, from: seed, .present)
        print("starts: seed \(seed), 10000 runs: \(outcome)")
        #expect(outcome.doubles == 0, "seed \(seed)")
        #expect(outcome.mistaken == 0, "seed \(seed)")
        #expect(outcome.lost == 0, "seed \(seed)")
        #expect(outcome.decided > 0)
    }

    @Test func theFormerRulesAreFoundOut() async {
        let seed = UInt64.random(in: .min ... .max)
        let outcome = await runs(400, from: seed, .former)
        print("starts by the former rules: seed \(seed), 400 runs: \(outcome)")
        #expect(outcome.doubles > 0, "seed \(seed)")
        #expect(outcome.mistaken > 0, "seed \(seed)")
    }
}

extension StartHarness.Outcome {
    fileprivate mutating func add(_ other: Self) {
        doubles += other.doubles
        mistaken += other.mistaken
        lost += other.lost
        decided += other.decided
    }
}
