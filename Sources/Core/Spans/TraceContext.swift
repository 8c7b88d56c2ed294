/// The id of a trace: 16 bytes that are not all zero (https://www.w3.org/TR/trace-context/#trace-id).
public struct TraceID: Hashable, Sendable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64

    /// Nil for zero, which is no id.
    public init?(high: UInt64, low: UInt64) {
        guard high | low != 0 else { return nil }
        (self.high, self.low) = (high, low)
    }

    /// 32 hexadecimal digits in lower case.
    public var description: String { HexDigits.text(high) + HexDigits.text(low) }
}

/// The id of a span: 8 bytes that are not all zero (https://www.w3.org/TR/trace-context/#parent-id).
public struct SpanID: Hashable, Sendable, CustomStringConvertible {
    public let value: UInt64

    /// Nil for zero, which is no id.
    public init?(_ value: UInt64) {
        guard value != 0 else { return nil }
        self.value = value
    }

    /// 16 hexadecimal digits in lower case.
    public var description: String { HexDigits.text(value) }
}

/// Names a span in its trace, wherever it was made, and says whether it is recorded.
public struct TraceContext: Hashable, Sendable {
    public var trace: TraceID
    public var span: SpanID
    public var isSampled: Bool

    /// Names a span.
    public init(trace: TraceID, span: SpanID, isSampled: Bool) {
        (self.trace, self.span, self.isSampled) = (trace, span, isSampled)
    }
}

/// The header field `traceparent` (https://www.w3.org/TR/trace-context/#traceparent-header).
extension TraceContext {
    /// Its name.
    public static let field = "traceparent"

    /// Reads the field's value. Nil for anything that is not one, which counts as no field.
    ///
    /// Of a later version than 00, the part that version 00 knows is read. The flags are bits, of which only `sampled` has a meaning
    /// here. `tracestate` is not read and not passed on: it belongs to other systems, which need not be told of each other.
    public init?(traceparent text: String) {
        var text = text
        guard let context = text.withUTF8({ TraceContext(utf8: $0) }) else { return nil }
        self = context
    }

    private init?(utf8 bytes: UnsafeBufferPointer<UInt8>) {
        let dash = UInt8(ascii: "-")
        guard bytes.count >= 55, bytes[2] == dash, bytes[35] == dash, bytes[52] == dash,
            let version = HexDigits.number(bytes[0..<2]), version != 0xFF,
            // Version 00 ends here; a later one may go on behind another dash.
            bytes.count == 55 || version > 0 && bytes[55] == dash,
            let high = HexDigits.number(bytes[3..<19]), let low = HexDigits.number(bytes[19..<35]),
            let parent = HexDigits.number(bytes[36..<52]), let flags = HexDigits.number(bytes[53..<55]),
            let trace = TraceID(high: high, low: low), let span = SpanID(parent)
        else { return nil }
        self.init(trace: trace, span: span, isSampled: flags & 1 == 1)
    }

    /// The field's value, of version 00.
    public var traceparent: String { "00-\(trace)-\(span)-\(isSampled ? "01" : "00")" }
}

/// Numbers as hexadecimal digits in lower case.
enum HexDigits {
    /// 16 digits.
    static func text(_ number: UInt64) -> String {
        String(unsafeUninitializedCapacity: 16) { digits in
            for place in 0..<16 {
                let digit = UInt8(truncatingIfNeeded: number >> (60 - 4 * place)) & 0xF
                digits[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
            }
            return 16
        }
    }

    /// Up to 16 digits. Nil for any other byte: `traceparent` has lower case only.
    static func number(_ digits: Slice<UnsafeBufferPointer<UInt8>>) -> UInt64? {
        var number: UInt64 = 0
        for byte in digits {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }
}
