import HTTPFields
import Exports
import NIOHTTP1

/// The parts of a request for the state of an export that its answer depends on.
struct StatusRequest: Sendable {
    var id: ExportID
    var document: ReadyAnswer.Document
    /// Whether only the head is answered.
    var isHead: Bool
    var viewer: Viewer
    var ifNoneMatch: String?
    /// How long it may wait for a change; nil where the request does not say so.
    var wait: Duration?
    var entry: RequestRecord.Entry

    /// Whether the request waits for a newer state than `snapshot`, because the client already has this one.
    func waits(for snapshot: ExportSnapshot) -> Bool {
        guard let wait, wait > .zero, !snapshot.export.isFinal else { return false }
        return ifNoneMatch.map(EntityTag(of: snapshot.export).isNamed) ?? true
    }
}

/// The fields of a request for the state of an export.
struct StatusFields: Sendable {
    private(set) var authorization: String?
    /// All lines of `Accept`, as one list.
    private(set) var accept: String?
    private(set) var ifNoneMatch: String?
    /// All lines of `Prefer`, as one list.
    private(set) var prefer: String?
    /// Nil where it came twice.
    private(set) var requestID: String?
    /// Whether a proxy says under which address the gateway was reached.
    private(set) var isForwarded = false
    /// The bytes of all fields, as `RequestLimits` counts them.
    private(set) var bytes = 0

    /// Reads the fields. Nil where a field is not known here.
    init?(_ headers: HTTPHeaders) {
        var requestIDs = 0
        for (name, value) in headers {
            guard let field = Field(name) else { return nil }
            // The codec converts `Host` to something else than a field, so it is not counted.
            if field != .host { bytes += RequestLimits.bytes(ofName: name, value: value) }
            switch field {
            case .authorization:
                if authorization != nil { return nil }
                authorization = value
            case .accept: accept = accept.map { $0 + ", " + value } ?? value
            case .ifNoneMatch:
                if ifNoneMatch != nil || value.utf8.count > 1024 { return nil }
                ifNoneMatch = value
            case .prefer:
                prefer = prefer.map { $0 + ", " + value } ?? value
                if let prefer, prefer.utf8.count > 256 { return nil }
            case .requestID:
                requestIDs += 1
                requestID = requestIDs == 1 ? value : nil
            case .connection:
                // Other values close or upgrade the connection, which the responder handles.
                guard value.lowercased() == "keep-alive" else { return nil }
            case .forwarded: isForwarded = true
            case .host, .meaningless: break
            }
        }
    }

    private enum Field {
        case accept, authorization, connection, forwarded, host, ifNoneMatch, meaningless, prefer, requestID

        init?(_ name: String) {
            let known = name.utf8.withContiguousStorageIfAvailable { bytes -> Field? in
                func isName(_ text: StaticString) -> Bool {
                    guard bytes.count == text.utf8CodeUnitCount else { return false }
                    for index in 0..<bytes.count where bytes[index] | 0x20 != text.utf8Start[index] { return false }
                    return true
                }
                switch bytes.count {
                case 3: return isName("via") ? .meaningless : nil
                case 4: return isName("host") ? .host : nil
                case 6: return isName("accept") ? .accept : isName("prefer") ? .prefer : nil
                case 9: return isName("forwarded") ? .forwarded : isName("x-real-ip") ? .meaningless : nil
                case 10:
                    if isName("connection") { return .connection }
                    return isName("user-agent") || isName("tracestate") ? .meaningless : nil
                case 11: return isName("traceparent") ? .meaningless : nil
                case 12: return isName("x-request-id") ? .requestID : nil
                case 13:
                    return isName("authorization") ? .authorization : isName("if-none-match") ? .ifNoneMatch : nil
                case 15:
                    return isName("accept-encoding") || isName("accept-language") || isName("x-forwarded-for")
                        ? .meaningless : nil
                case 16: return isName("x-forwarded-host") ? .forwarded : nil
                case 17: return isName("x-forwarded-proto") ? .forwarded : nil
                case 18: return isName("x-forwarded-prefix") ? .forwarded : nil
                default: return nil
                }
            }
            // The parser always makes contiguous UTF-8 strings, so this does not happen.
            guard let known = known ?? nil else { return nil }
            self = known
        }
    }
}
