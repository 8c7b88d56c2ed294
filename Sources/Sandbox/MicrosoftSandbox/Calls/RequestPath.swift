/// A request's path in decoded segments, whichever way the caller wrote it.
///
/// Percent-escapes are decoded after splitting, so `%2F` stays inside its segment. An OData key in parentheses becomes a
/// segment of its own: `cases('x')` reads as `cases/x` (`graph.md` A3, B1). The empty parentheses of a function call fall away.
struct RequestPath: Sendable, Equatable {
    var segments: [String]

    init(_ raw: some StringProtocol) {
        segments = raw.split(separator: "/").flatMap { Self.keys(in: PercentEncoding.decode($0, plusIsSpace: false)) }
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

/// Percent-encoding (RFC 3986, 2.1).
enum PercentEncoding {
    /// The text with every valid escape decoded; a broken escape stays as it is.
    static func decode(_ text: some StringProtocol, plusIsSpace: Bool) -> String {
        let bytes = Array(text.utf8)
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%"), index + 2 < bytes.count, let high = digit(bytes[index + 1]),
                let low = digit(bytes[index + 2])
            {
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
                index += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    /// The text with everything but unreserved characters escaped.
    static func encode(_ text: some StringProtocol, lowerCase: Bool = false) -> String {
        text.utf8.reduce(into: "") { encoded, byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: !lowerCase)
                encoded += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
            }
        }
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
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
                    PercentEncoding.decode(halves[0], plusIsSpace: true),
                    PercentEncoding.decode(raw, plusIsSpace: true), raw
                )
            )
        }
    }

    /// The first value of a name, told apart without regard to case, as OData does with its `$` options.
    subscript(_ name: String) -> String? { pairs.first { $0.name.lowercased() == name.lowercased() }?.value }

    /// The first value of a name as it stood in the request.
    func raw(_ name: String) -> Substring? { pairs.first { $0.name.lowercased() == name.lowercased() }?.raw }
}
