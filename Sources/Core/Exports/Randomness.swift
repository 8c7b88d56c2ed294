/// A source of randomness that was handed in, and what is made of it.
public struct Randomness: Sendable {
    /// Uniform 64-bit numbers.
    private let number: @Sendable () -> UInt64

    /// Uses `number` as the source. Ids are unguessable only if it is secure.
    public init(_ number: @escaping @Sendable () -> UInt64) {
        self.number = number
    }

    /// A number in 0..<1, which spreads what would come at the same time.
    public func jitter() -> Double { Double(number() >> 11) * 0x1p-53 }

    /// The next number.
    public func number64() -> UInt64 { number() }

    /// A new id.
    public func newID(at now: Timestamp) -> ExportID {
        var generator = Generator(number: number)
        return ExportID(at: now, random: &generator)
    }

    private struct Generator: RandomNumberGenerator {
        let number: @Sendable () -> UInt64

        func next() -> UInt64 { number() }
    }
}
