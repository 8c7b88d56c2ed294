import HTTPFields

/// A request's path in decoded segments, whichever way the caller wrote it.
///
/// Percent-escapes are decoded after splitting, so `%2F` stays inside its segment. An OData key in parentheses becomes a
/// segment of its own: `cases('x')` reads as `cases/x` (`Upstream-GraphEDiscovery, Calls`). The empty parentheses of a function
/// call fall away.
struct RequestPath: Sendable, Equatable {
    var segments: [String]

    init(_ raw: some StringProtocol) {
        segments = raw.split(separator: "/").flatMap { Self.keys(in: PercentEncoding.decodeLeniently($0)) }
    }

    private static func keys(in segment: String) -> [String] {
        if segment.hasSuffix("()") { return [String(segment.dropLast(2))] }
        guard segment.hasSuffix("')"), let open = segment.firstIndex(of: "("), open != segment.startIndex else {
            return [segment]
        }
        let key = segment[segment.index(after: open)...].dropLast()
        guard key.count >= 2, key.first == "'", key.last == "'" else { return [segment] }
        return [String(segment[..<open]), key.dropFirst().dropLast().split("''").joined(separator: "'")]
    }
}

extension Substring {
    /// The parts between occurrences of a separator longer than a character, empty ones included.
    fileprivate func split(_ separator: String) -> [Substring] {
        split(separator: separator, omittingEmptySubsequences: false)
    }
}

/// A query or a form: names and values in order, decoded, with the raw value beside it.
struct QueryText: Sendable {
    private var pairs: [(name: String, value: String, raw: Substring)] = []

    init(_ text: some StringProtocol) {
        for part in Substring(text).split(separator: "&") {
            let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let raw = halves.count == 2 ? halves[1] : ""
            pairs.append(
                (
                    PercentEncoding.decodeLeniently(halves[0], plusIsSpace: true),
                    PercentEncoding.decodeLeniently(raw, plusIsSpace: true), raw
                )
            )
        }
    }

    /// The first value of a name, told apart without regard to case, as OData does with its `$` options.
    subscript(_ name: String) -> String? { pairs.first { $0.name.lowercased() == name.lowercased() }?.value }

    /// The first value of a name as it stood in the request.
    func raw(_ name: String) -> Substring? { pairs.first { $0.name.lowercased() == name.lowercased() }?.raw }
}
