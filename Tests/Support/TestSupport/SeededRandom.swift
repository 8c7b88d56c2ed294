import Foundation

/// Random numbers that are the same for the same seed: https://prng.di.unimi.it/splitmix64.c
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// Makes a generator.
    public init(seed: UInt64) { state = seed }

    /// The seed that `EXPORT_GATEWAY_SEED` gives, else another one each time: print it.
    public static var anySeed: UInt64 {
        ProcessInfo.processInfo.environment["EXPORT_GATEWAY_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...(1 << 48))
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound`, without the latter.
    public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// One of the elements, of which there is at least one.
    public mutating func of<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}
