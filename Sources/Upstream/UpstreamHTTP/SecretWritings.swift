/// One secret, to be found in a text however each of its characters is written: as it is, percent-encoded, or escaped as in
/// JSON; also encoded several times over, as in an error that quotes another one.
struct SecretWritings: Sendable {
    /// What is shorter protects nothing, and stands in every other word.
    static let shortest = 4
    /// Of a secret that is repeated in part only, so many characters from its beginning are enough.
    static let shortestPart = 16

    private let scalars: [Unicode.Scalar]

    /// Nil for a value that is too short to be looked for.
    init?(_ value: String) {
        scalars = Array(value.unicodeScalars)
        guard scalars.count >= Self.shortest else { return nil }
    }

    /// The text with `<redacted>` in place of each of `secrets`; with `andBeginnings`, also where one is cut short.
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
    /// How often an encoding may be applied over itself, and how many backslashes come of that.
    private static let layers = 3
    private static let mostBackslashes = 8

    private func markStarts(_ isStart: inout [Bool]) {
        guard let first = scalars.first?.utf8.first else { return }
        for byte in [first, Self.percent, Self.backslash] { isStart[Int(byte)] = true }
        if first == UInt8(ascii: " ") { isStart[Int(UInt8(ascii: "+"))] = true }
    }

    /// Where the secret ends that begins at `start`. What a character is written with can be read in more than one way, so
    /// all ways are followed at once.
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

    /// Adds where the writings of `scalar` end that begin at `start`.
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

    /// `%2B`; with one layer more `%252B`.
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

    /// Behind the first backslash, the second, and so on.
    private static func afterBackslashes(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> [Int] {
        let end = text[start...].prefix(mostBackslashes).prefix { $0 == backslash }.endIndex
        return end > start ? Array(start + 1...end) : []
    }

    /// A hexadecimal number of so many digits.
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
