import HTTPFields

/// A request target (RFC 9112, 3.2), parsed: the segments of the path, and the raw query.
struct RequestTarget: Sendable, Hashable {
    /// The path as it came, without the query.
    var path: String
    var segments: [Segment]
    var query: Substring?

    /// One step of the path; `/exports/` has two, the last one empty, and so is another path than `/exports`.
    struct Segment: Sendable, Hashable {
        /// As it came.
        var raw: Substring
        /// Percent-decoded.
        var decoded: String
    }

    /// Reads origin-form and absolute-form; nil for anything else, and for broken percent-encoding in the path.
    init?(_ text: String) {
        var rest = text[...]
        if !rest.hasPrefix("/") {
            let lowercased = rest.prefix(8).lowercased()
            guard lowercased.hasPrefix("http://") || lowercased.hasPrefix("https://"),
                let schemeEnd = rest.firstIndex(of: "/")
            else { return nil }
            rest = rest[schemeEnd...].dropFirst(2)
            rest = rest.drop { $0 != "/" && $0 != "?" }
            if !rest.hasPrefix("/") { return nil }
        }
        guard !rest.contains("#") else { return nil }
        let mark = rest.firstIndex(of: "?")
        path = String(rest[..<(mark ?? rest.endIndex)])
        query = mark.map { rest[rest.index(after: $0)...] }
        segments = []
        for segment in path.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            guard let decoded = PercentEncoding.decode(segment) else { return nil }
            segments.append(Segment(raw: segment, decoded: decoded))
        }
    }
}
