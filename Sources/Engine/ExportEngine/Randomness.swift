import Exports

/// The randomness of an engine, as it was handed in.
struct Randomness: Sendable {
    /// Uniform 64-bit numbers from a secure source.
    let number: @Sendable () -> UInt64

    /// A number in 0..<1, which spreads what would come at the same time.
    func jitter() -> Double { Double(number() >> 11) * 0x1p-53 }

    func newID(at now: Timestamp) -> ExportID {
        var generator = HandedRandom(number: number)
        return ExportID(at: now, random: &generator)
    }
}

private struct HandedRandom: RandomNumberGenerator {
    let number: @Sendable () -> UInt64

    func next() -> UInt64 { number() }
}
