import NIOHTTP1

/// The fields of a request that may be answered on the event loop.
struct KnownFields: Sendable {
    private(set) var authorization: String?
    /// All lines of `Accept`, as one list.
    private(set) var accept: String?
    private(set) var ifNoneMatch: String?
    /// All lines of `Prefer`, as one list.
    private(set) var prefer: String?
    /// Nil where it came twice.
    private(set) var requestID: String?
    /// Nil where it came twice.
    private(set) var traceparent: String?
    /// Nil where it came twice.
    private(set) var contentType: String?
    /// A number, given once.
    private(set) var contentLength: Int?
    /// Given once.
    private(set) var idempotencyKey: String?
    /// Whether there are fields that only a create request has.
    private(set) var areOfCreation = false
    /// Whether a proxy says under which address the gateway was reached.
    private(set) var isForwarded = false
    /// The bytes of all fields, as `RequestLimits` counts them.
    private(set) var bytes = 0
    /// The same, with `Host`.
    private(set) var allBytes = 0

    /// Reads the fields. Nil where a field is not known here.
    init?(_ headers: HTTPHeaders) {
        var (requestIDs, traceparents, contentTypes) = (0, 0, 0)
        for (name, value) in headers {
            guard let field = Field(name) else { return nil }
            let length = RequestLimits.bytes(ofName: name, value: value)
            allBytes += length
            // The codec converts `Host` to something else than a field, so it is not counted.
            if field != .host { bytes += length }
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
            case .traceparent:
                traceparents += 1
                traceparent = traceparents == 1 ? value : nil
            case .contentType:
                contentTypes += 1
                contentType = contentTypes == 1 ? value : nil
                areOfCreation = true
            case .contentLength:
                guard contentLength == nil, let length = Int(value), length >= 0 else { return nil }
                contentLength = length
                areOfCreation = true
            case .idempotencyKey:
                if idempotencyKey != nil { return nil }
                idempotencyKey = value
                areOfCreation = true
            case .connection:
                // Other values close or upgrade the connection, which the responder handles.
                guard value.lowercased() == "keep-alive" else { return nil }
            case .forwarded: isForwarded = true
            case .host, .meaningless: break
            }
        }
    }

    private enum Field {
        case accept, authorization, connection, contentLength, contentType, forwarded, host, idempotencyKey, ifNoneMatch
        case meaningless, prefer, requestID, traceparent

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
                case 11: return isName("traceparent") ? .traceparent : nil
                case 12: return isName("x-request-id") ? .requestID : isName("content-type") ? .contentType : nil
                case 13:
                    return isName("authorization") ? .authorization : isName("if-none-match") ? .ifNoneMatch : nil
                case 14: return isName("content-length") ? .contentLength : nil
                case 15:
                    if isName("idempotency-key") { return .idempotencyKey }
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
