import Foundation
import Testing
import TestSupport

/// Feeds a check with values made from a seed, so that a run can be repeated.
///
/// As many as `executions` in an ordinary run. With `FUZZ_MINUTES` in the environment it goes on for that long, with
/// another seed each time, and prints how often the check ran.
struct Fuzzing {
    var executions: Int

    /// Runs `check` on values that `make` draws. A check records its failures itself, naming the value.
    func run(
        _ name: String,
        make: (inout SeededRandom) -> String,
        check: (String) -> Void
    ) {
        guard let minutes = ProcessInfo.processInfo.environment["FUZZ_MINUTES"].flatMap(Double.init) else {
            var lots = SeededRandom(seed: 20_260_101)
            for _ in 0..<executions { check(make(&lots)) }
            return
        }
        let seed = UInt64.random(in: .min ... .max)
        let start = ContinuousClock.now
        let end = start + .seconds(minutes * 60)
        var lots = SeededRandom(seed: seed)
        var count = 0
        while ContinuousClock.now < end {
            for _ in 0..<1000 { check(make(&lots)) }
            count += 1000
        }
        let took = (ContinuousClock.now - start) / Duration.seconds(60)
        print("fuzz \(name): \(count) executions in \(String(format: "%.2f", took)) minutes, seed \(seed)")
    }
}

extension SeededRandom {
    mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &self) == 0 }

    /// Up to `most` of `words`, one after the other, now and then one of them mutilated, or a scalar of any kind between.
    mutating func text(of words: [String], most: Int) -> String {
        var scalars = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...most, using: &self) {
            if chance(12) {
                scalars.append(anyScalar())
                continue
            }
            var word = Array(of(words).unicodeScalars)
            if chance(10), !word.isEmpty {
                let place = Int.random(in: 0..<word.count, using: &self)
                switch Int.random(in: 0..<3, using: &self) {
                case 0: word.remove(at: place)
                case 1: word.insert(word[place], at: place)
                default: word[place] = anyScalar()
                }
            }
            scalars.append(contentsOf: word)
        }
        return String(scalars)
    }

    /// A scalar: any byte, or one from the planes.
    mutating func anyScalar() -> Unicode.Scalar {
        if chance(2) { return Unicode.Scalar(UInt8.random(in: .min ... .max, using: &self)) }
        return Unicode.Scalar(UInt32.random(in: 0...0x1_FFFF, using: &self)) ?? "\u{FFFD}"
    }
}
