import COpenSSL

/// `count` unpredictable bytes, fit for keys and tokens.
///
/// Ends the process where the system has no randomness: predictable bytes would be worse. ``SystemCrypto/check()`` detects that at
/// the start.
public func randomBytes(_ count: Int) -> [UInt8] {
    precondition((0...Int(Int32.max)).contains(count), "a count of random bytes is 0…2^31-1")
    var bytes = [UInt8](repeating: 0, count: count)
    let filled = RAND_bytes(&bytes, Int32(count))
    precondition(filled == 1, "libcrypto: no randomness")
    return bytes
}

/// libcrypto's random number generator as Swift's `RandomNumberGenerator`.
public struct SystemRandom: RandomNumberGenerator, Sendable {
    /// Makes a generator; all of them draw from one source.
    public init() {}

    public mutating func next() -> UInt64 {
        var value: UInt64 = 0
        let filled = withUnsafeMutableBytes(of: &value) {
            RAND_bytes($0.assumingMemoryBound(to: UInt8.self).baseAddress, Int32($0.count))
        }
        precondition(filled == 1, "libcrypto: no randomness")
        return value
    }
}
