/// A weight (RFC 9110, 12.4.2: https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2), in thousandths.
public enum QualityValue {
    /// The weight of an element that has none, and the highest.
    public static let most = 1000

    /// The weight in `0` to `1` with at most three digits after the point; nil for any other text.
    public static func strict(_ text: some StringProtocol) -> Int? {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, bytes.count <= 5, first == 0x30 || first == 0x31 else { return nil }
        guard bytes.count == 1 || bytes[1] == UInt8(ascii: ".") else { return nil }
        var value = Int(first - 0x30) * most
        var place = 100
        for digit in bytes.dropFirst(2) {
            guard (0x30...0x39).contains(digit) else { return nil }
            value += Int(digit - 0x30) * place
            place /= 10
        }
        return value <= most ? value : nil
    }

    /// The weight as clients write it: any number, cut to 0 to 1. `most` for none and for one that cannot be read; 1 for less
    /// than a thousandth, which is not a refusal.
    public static func lenient(_ text: String?) -> Int {
        guard let text, let weight = Double(text), weight.isFinite else { return most }
        guard weight > 0 else { return 0 }
        return max(1, Int(min(weight, 1) * Double(most)))
    }
}
