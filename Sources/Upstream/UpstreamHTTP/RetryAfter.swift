import HTTPFields
public import Exports

/// `Retry-After` (RFC 9110, 10.2.3), also in the invalid forms that some upstreams send.
public enum RetryAfter {
    /// The wait where the field cannot be read. MSAL waits as long for Entra ID (`Upstream-EntraID, Errors`).
    public static let fallback = Duration.seconds(5)
    /// The longest wait.
    public static let longest = Duration.seconds(86_400)

    /// How long a field asks to wait: the longest readable value of a list, or `fallback` where none can be read.
    ///
    /// Accepts seconds, with or without a fraction (`2.128`), and dates in the three forms of RFC 9110, 5.6.7. The result is never
    /// negative, and at most `longest`.
    public static func parse(_ text: String, at now: Timestamp) -> Duration { read(text, at: now) ?? fallback }

    /// The same, but nil where no value can be read.
    public static func read(_ text: String, at now: Timestamp) -> Duration? {
        let parts = text.prefix(1024).split(separator: ",").map { String($0.trimming(" \t\"")) }
        var waits: [Duration] = []
        for (index, part) in parts.enumerated() {
            if let wait = seconds(part) { waits.append(wait) }
            // The comma after a weekday does not separate two values.
            let whole = index + 1 < parts.count ? part + ", " + parts[index + 1] : part
            if let date = HTTPDate.parse(whole, at: now) ?? HTTPDate.parse(part, at: now) {
                waits.append(min(max(.zero, date - now), longest))
            }
        }
        return waits.max()
    }

    private static func seconds(_ text: String) -> Duration? {
        guard let first = text.utf8.first, (0x30...0x39).contains(first),
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }),
            let seconds = Double(text), seconds.isFinite
        else { return nil }
        return min(.milliseconds(Int64((min(seconds, 86_400) * 1000).rounded(.up))), longest)
    }
}

extension UpstreamHeaders {
    /// How long the answer asks to wait; nil when it does not.
    public func retryAfter(at now: Timestamp) -> Duration? { all("retry-after").map { RetryAfter.parse($0, at: now) } }
}
