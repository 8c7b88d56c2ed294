/// What a collector says of spans that it has taken.
enum OTLPAnswer {
    /// How many spans it has refused: `partial_success.rejected_spans` of `ExportTraceServiceResponse`. 0 for an answer that does not say
    /// so, or cannot be read.
    static func rejectedSpans(_ body: [UInt8]) -> Int {
        guard let partial = field(1, of: body[...], type: 2), case .bytes(let message) = partial,
            case .number(let count)? = field(1, of: message, type: 0)
        else { return 0 }
        return Int(clamping: count)
    }

    private enum Value {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    /// The first field of this number and wire type.
    private static func field(_ number: UInt64, of message: ArraySlice<UInt8>, type: UInt64) -> Value? {
        var rest = message
        while let tag = varint(&rest) {
            var value = Value.number(0)
            switch tag & 7 {
            case 0:
                guard let number = varint(&rest) else { return nil }
                value = .number(number)
            case 1: guard drop(8, &rest) else { return nil }
            case 2:
                guard let length = varint(&rest), length <= UInt64(rest.count) else { return nil }
                value = .bytes(rest.prefix(Int(length)))
                rest = rest.dropFirst(Int(length))
            case 5: guard drop(4, &rest) else { return nil }
            default: return nil
            }
            if tag >> 3 == number, tag & 7 == type { return value }
        }
        return nil
    }

    private static func drop(_ count: Int, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.count >= count else { return false }
        rest = rest.dropFirst(count)
        return true
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}
