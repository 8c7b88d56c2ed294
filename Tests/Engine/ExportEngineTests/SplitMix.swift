import Foundation

/// Numbers by a seed: https://prng.di.unimi.it/splitmix64.c
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    /// Given by `EXPORT_GATEWAY_SEED`, else another one each time: print it.
    static var seed: UInt64 {
        ProcessInfo.processInfo.environment["EXPORT_GATEWAY_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...(1 << 48))
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func of<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}
