public import Spans
import Tracing

/// A request of OTLP that brings spans (`ExportTraceServiceRequest`:
/// https://github.com/open-telemetry/opentelemetry-proto/blob/v1.5.0/opentelemetry/proto/collector/trace/v1/trace_service.proto).
///
/// The numbers of the fields are those of that file, and of `trace.proto`, `common.proto` and `resource.proto` beside it.
public enum OTLPRequest {
    /// The bytes of a request.
    ///
    /// - Parameter resource: What is said of the gateway itself, such as `service.name`.
    public static func bytes(_ spans: [SpanRecord], resource: [(name: String, value: String)]) -> [UInt8] {
        var request = ProtobufWriter(capacity: 256 + spans.count * 512)
        request.message(1) { resourceSpans in
            resourceSpans.message(1) { message in
                for (name, value) in resource { message.attribute(1, name, .string(value)) }
            }
            resourceSpans.message(2) { scopeSpans in
                scopeSpans.message(1) { $0.text(1, "export-gateway") }
                for span in spans { scopeSpans.message(2) { $0.span(span) } }
            }
        }
        return request.bytes
    }

    /// The type of these bytes.
    public static let contentType = "application/x-protobuf"
}

extension ProtobufWriter {
    fileprivate mutating func span(_ span: SpanRecord) {
        words(1, span.context.trace.high, span.context.trace.low)
        words(2, span.context.span.value)
        if let parent = span.parent { words(4, parent.value) }
        text(5, span.name)
        number(6, span.kind.number)
        fixed64(7, span.start)
        fixed64(8, span.end)
        for attribute in span.attributes { self.attribute(9, attribute.name, attribute.value) }
        for event in span.events {
            message(11) { message in
                message.fixed64(1, event.time)
                message.text(2, event.name)
                for attribute in event.attributes { message.attribute(3, attribute.name, attribute.value) }
            }
        }
        for link in span.links {
            message(13) { message in
                message.words(1, link.trace.high, link.trace.low)
                message.words(2, link.span.value)
                message.fixed32(6, Self.flags(isSampled: link.isSampled, isRemote: false))
            }
        }
        if let status = span.status {
            message(15) { message in
                if let text = status.message { message.text(2, text) }
                message.number(3, status.code == .error ? 2 : 1)
            }
        }
        fixed32(16, Self.flags(isSampled: true, isRemote: span.isParentRemote))
    }

    /// The flags of W3C in the lowest byte, and whether the span before was made by another process (`SpanFlags`).
    private static func flags(isSampled: Bool, isRemote: Bool) -> UInt32 {
        (isSampled ? 1 : 0) | 0x100 | (isRemote ? 0x200 : 0)
    }

    /// A field that is a `KeyValue`. A value of a type that OTLP has not is written as its text.
    fileprivate mutating func attribute(_ field: Int, _ name: String, _ value: SpanAttribute) {
        message(field) { message in
            message.text(1, name)
            message.message(2) { $0.value(value) }
        }
    }

    /// An `AnyValue`.
    private mutating func value(_ value: SpanAttribute) {
        switch value {
        case .string(let text): self.text(1, text)
        case .bool(let bool): number(2, bool ? 1 : 0)
        case .int32(let number): self.number(3, Int64(number))
        case .int64(let number): self.number(3, number)
        case .double(let number): double(4, number)
        case .stringArray(let texts): array(texts) { $0.text(1, $1) }
        case .boolArray(let bools): array(bools) { $0.number(2, $1 ? 1 : 0) }
        case .int32Array(let numbers): array(numbers) { $0.number(3, Int64($1)) }
        case .int64Array(let numbers): array(numbers) { $0.number(3, $1) }
        case .doubleArray(let numbers): array(numbers) { $0.double(4, $1) }
        case .stringConvertible(let any): text(1, "\(any)")
        case .stringConvertibleArray(let all): array(all) { $0.text(1, "\($1)") }
        default: text(1, "")
        }
    }

    private mutating func array<Element>(
        _ elements: [Element],
        _ write: (inout ProtobufWriter, Element) -> Void
    ) {
        message(5) { array in
            for element in elements { array.message(1) { write(&$0, element) } }
        }
    }
}

extension SpanKind {
    /// The number of OTLP's `SpanKind`.
    fileprivate var number: Int64 {
        switch self {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }
}
