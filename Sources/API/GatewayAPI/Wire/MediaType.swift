import HTTPFields

/// The media types that this API sends and accepts.
enum MediaType: String, Sendable {
    case json = "application/json"
    case mergePatch = "application/merge-patch+json"
    case zip = "application/zip"
    case events = "text/event-stream"
    case lines = "application/x-ndjson"
    case problem = "application/problem+json"
    case yaml = "application/yaml"
    case prometheus = "text/plain; version=0.0.4; charset=utf-8"

    /// Whether an `Accept` field (RFC 9110, 12.5.1) accepts this type, with any quality above 0. Without the field, everything is
    /// accepted.
    func isAccepted(by field: String?) -> Bool {
        guard let field else { return true }
        let ranges = FieldList.elements(of: field)
        guard !ranges.isEmpty else { return true }
        let type = rawValue.prefix { $0 != "/" }
        // The most specific range decides, whatever the order.
        var best: (rank: Int, accepted: Bool) = (-1, false)
        for range in ranges {
            let parts = FieldParameters(range)
            let rank =
                switch parts.value.lowercased() {
                case rawValue: 2
                case "\(type)/*": 1
                case "*/*": 0
                default: -1
                }
            guard rank > best.rank else { continue }
            best = (rank, QualityValue.lenient(parts["q"]) > 0)
        }
        return best.accepted
    }

    /// Whether an `Accept` field names this type itself, with any quality above 0.
    func isNamed(by field: String?) -> Bool {
        guard let field else { return false }
        return FieldList.elements(of: field).map { FieldParameters($0) }
            .contains { $0.value.lowercased() == rawValue && QualityValue.lenient($0["q"]) > 0 }
    }

    /// Whether a `Content-Type` field says JSON in UTF-8.
    static func isJSON(contentType field: String?) -> Bool { isText(field, of: .json) }

    /// Whether a `Content-Type` field says a JSON merge patch (RFC 7396) in UTF-8.
    static func isMergePatch(contentType field: String?) -> Bool { isText(field, of: .mergePatch) }

    private static func isText(_ field: String?, of type: MediaType) -> Bool {
        guard let field else { return false }
        let parts = FieldParameters(field)
        guard parts.value.lowercased() == type.rawValue else { return false }
        guard let charset = parts["charset"] else { return true }
        return ["utf-8", "utf8"].contains(charset.lowercased())
    }
}
