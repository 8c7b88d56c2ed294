/// Finds one secret in a text, however each of its characters is written: as it is, percent-encoded, or escaped as in JSON; also when
/// it is encoded several times, as in an error that quotes another error.
struct SecretWritings: Sendable {
    /// Shorter values are not searched for: they protect nothing, and are part of many words.
    static let shortest = 4
    /// Where only the beginning of a secret is repeated, it is redacted if it has at least this many characters.
    static let shortestPart = 16

    private let scalars: [Unicode.Scalar]

    /// Nil for a value that is too short to be searched for.
    init?(_ value: String) {
        scalars = Array(value.unicodeScalars)
        guard scalars.count >= Self.shortest else { return nil }
    }

    /// The text with `<redacted>` in place of each of `secrets`. With `andBeginnings`, the beginning of a secret is redacted too.
    static func redact(_ secrets: [SecretWritings], in text: [UInt8], andBeginnings: Bool) -> [UInt8] {
        guard !secrets.isEmpty else { return text }
        var isStart = [Bool](repeating: false, count: 256)
        for secret in secrets { secret.markStarts(&isStart) }
        var result: [UInt8] = []
        var (kept, index) = (0, 0)
        text.withUnsafeBufferPointer { text in
            while index < text.count {
                guard isStart[Int(text[index])],
                    let end = secrets.compactMap({ $0.end(in: text, from: index, orPart: andBeginnings) }).max()
                else {
                    index += 1
                    continue
                }
                result += text[kept..<index]
                result += redacted
                (kept, index) = (end, end)
            }
        }
        return kept == 0 ? text : result + text[kept...]
    }

    private static let redacted = Array("<redacted>".utf8)
    private static let percent = UInt8(ascii: "%")
    private static let backslash = UInt8(ascii: "\\")
    /// How often an encoding may be applied to its own result, and how many backslashes that gives.
    private static let layers = 3
    private static let mostBackslashes = 8

    private func markStarts(_ isStart: inout [Bool]) {
        guard let first = scalars.first?.utf8.first else { return }
        for byte in [first, Self.percent, Self.backslash] { isStart[Int(byte)] = true }
        if first == UInt8(ascii: " ") { isStart[Int(UInt8(ascii: "+"))] = true }
    }

    /// Where the secret that begins at `start` ends. The same bytes can be decoded in more than one way, so all ways are followed at
    /// once.
    private func end(in text: UnsafeBufferPointer<UInt8>, from start: Int, orPart: Bool) -> Int? {
        var ends = [start]
        var next: [Int] = []
        for (count, scalar) in scalars.enumerated() {
            for end in ends { Self.addEnds(of: scalar, in: text, from: end, to: &next) }
            guard !next.isEmpty else { return orPart && count >= Self.shortestPart ? ends.max() : nil }
            swap(&ends, &next)
            next.removeAll(keepingCapacity: true)
        }
        return ends.max()
    }

    /// Adds the ends of all encoded forms of `scalar` that begin at `start`.
    private static func addEnds(
        of scalar: Unicode.Scalar,
        in text: UnsafeBufferPointer<UInt8>,
        from start: Int,
        to ends: inout [Int]
    ) {
        guard start < text.count else { return }
        var found = [plain(scalar, in: text, from: start)]
        switch text[start] {
        case percent: for layer in 0..<layers { found.append(percentEncoded(scalar, layer, in: text, from: start)) }
        case backslash:
            for next in afterBackslashes(in: text, from: start) { found.append(plain(scalar, in: text, from: next)) }
            found.append(escaped(scalar, in: text, from: start))
        case UInt8(ascii: "+"): if scalar == " " { found.append(start + 1) }
        default: break
        }
        for case let end? in found where !ends.contains(end) { ends.append(end) }
    }

    private static func plain(
        _ scalar: Unicode.Scalar,
        in text: UnsafeBufferPointer<UInt8>,
        from start: Int
    ) -> Int? {
        let bytes = scalar.utf8
        guard start + bytes.count <= text.count, text[start..<start + bytes.count].elementsEqual(bytes) else {
            return nil
        }
        return start + bytes.count
    }

    /// `%2B`, or `%252B` when it is encoded twice.
    private static func percentEncoded(
        _ scalar: Unicode.Scalar,
        _ layer: Int,
        in text: UnsafeBufferPointer<UInt8>,
        from start: Int
    ) -> Int? {
        var index = start
        for byte in scalar.utf8 {
            guard index < text.count, text[index] == percent else { return nil }
            index += 1
            for _ in 0..<layer {
                guard number(in: text, from: index, digits: 2) == 0x25 else { return nil }
                index += 2
            }
            guard number(in: text, from: index, digits: 2) == UInt32(byte) else { return nil }
            index += 2
        }
        return index
    }

    /// `\u002b`, in two halves where UTF-16 needs them (RFC 8259, 7).
    private static func escaped(
        _ scalar: Unicode.Scalar,
        in text: UnsafeBufferPointer<UInt8>,
        from start: Int
    ) -> Int? {
        var index = start
        for unit in scalar.utf16 {
            guard let next = afterBackslashes(in: text, from: index).last, next < text.count,
                text[next] == UInt8(ascii: "u"), number(in: text, from: next + 1, digits: 4) == UInt32(unit)
            else { return nil }
            index = next + 5
        }
        return index
    }

    /// The positions after the first backslash, the second, and so on.
    private static func afterBackslashes(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> [Int] {
        let end = text[start...].prefix(mostBackslashes).prefix { $0 == backslash }.endIndex
        return end > start ? Array(start + 1...end) : []
    }

    /// A hexadecimal number with `digits` digits.
    private static func number(in text: UnsafeBufferPointer<UInt8>, from start: Int, digits: Int) -> UInt32? {
        guard start + digits <= text.count else { return nil }
        return UInt32(String(decoding: text[start..<start + digits], as: UTF8.self), radix: 16)
    }
}

extension SecretWritings: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    var description: String { "<redacted>" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: []) }
}
