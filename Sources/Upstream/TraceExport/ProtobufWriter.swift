/// Writes messages of Protocol Buffers (https://protobuf.dev/programming-guides/encoding): as much of it as OTLP's traces need.
///
/// Values that are the default of their type are written too, where they are asked for: readers take them all the same.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    /// Makes an empty message, with the capacity for so many bytes.
    init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    private enum WireType: UInt64 {
        case varint = 0
        case fixed64 = 1
        case length = 2
        case fixed32 = 5
    }

    private mutating func tag(_ field: Int, _ type: WireType) { varint(UInt64(field) << 3 | type.rawValue) }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// A field of type `int64`, `uint32`, `bool` or of an enumeration.
    mutating func number(_ field: Int, _ value: Int64) {
        tag(field, .varint)
        varint(UInt64(bitPattern: value))
    }

    /// A field of type `fixed64`.
    mutating func fixed64(_ field: Int, _ value: UInt64) {
        tag(field, .fixed64)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A field of type `fixed32`.
    mutating func fixed32(_ field: Int, _ value: UInt32) {
        tag(field, .fixed32)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// A field of type `double`.
    mutating func double(_ field: Int, _ value: Double) { fixed64(field, value.bitPattern) }

    /// A field of type `string`.
    mutating func text(_ field: Int, _ value: String) {
        var value = value
        value.withUTF8 { text in
            tag(field, .length)
            varint(UInt64(text.count))
            bytes.append(contentsOf: text)
        }
    }

    /// A field of type `bytes`, from numbers whose first byte comes first.
    mutating func words(_ field: Int, _ values: UInt64...) {
        tag(field, .length)
        varint(UInt64(values.count * 8))
        for value in values { withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) } }
    }

    /// A field that is a message.
    mutating func message(_ field: Int, _ body: (inout ProtobufWriter) -> Void) {
        tag(field, .length)
        // The length stands before the message, and is known behind it. Most messages are shorter than 128 bytes: one byte is its place.
        let place = bytes.count
        bytes.append(0)
        body(&self)
        let count = UInt64(bytes.count - place - 1)
        guard count >= 0x80 else {
            bytes[place] = UInt8(count)
            return
        }
        var length = ProtobufWriter()
        length.varint(count)
        bytes.replaceSubrange(place...place, with: length.bytes)
    }
}
