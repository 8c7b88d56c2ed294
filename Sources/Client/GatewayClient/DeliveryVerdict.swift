import JSON

/// What the gateway's record of a delivery says of the bytes that came (`listExportDeliveries` in openapi.yaml).
enum DeliveryVerdict: Hashable {
    /// The gateway sent these bytes, all of them.
    case whole
    /// It did not send the whole file.
    case broken
    /// It sent another file.
    case other(expected: String)
    /// It has not ended there yet: ask again.
    case underWay
    /// There is no record, or it says nothing of the digest.
    case unknown

    /// Compares the rows of one request with what came.
    init(rows: [JSONValue], bytes: Int64, sha256: String) {
        guard rows.count == 1, let outcome = rows[0]["outcome"]?.string else {
            self = .unknown
            return
        }
        switch outcome {
        case "underWay": self = .underWay
        case "broken", "abandoned": self = .broken
        case "whole":
            guard let expected = rows[0]["sha256"]?.string else {
                self = .unknown
                return
            }
            if expected == sha256 {
                self = .whole
            } else {
                self = (rows[0]["fileBytes"]?.integer ?? 0) > bytes ? .broken : .other(expected: expected)
            }
        default: self = .unknown
        }
    }
}
