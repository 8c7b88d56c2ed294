import HTTPFields

/// The content coding of a download (RFC 9110, 8.4.1).
enum ContentCoding: String, Sendable, Hashable, CaseIterable {
    case identity
    case gzip
}

/// The content codings that a client accepts (RFC 9110, 12.5.3).
///
/// Parsing never fails: elements that are not a coding with an optional weight are ignored.
struct AcceptEncoding: Sendable, Hashable {
    /// The weights of the relevant codings, in thousandths; nil where the field does not name them.
    private(set) var gzip: Int?
    private(set) var identity: Int?
    private(set) var others: Int?

    /// Reads the joined field lines; nil for a request without the field.
    ///
    /// A coding that is named twice has the lower of its weights. `x-gzip` is `gzip` (RFC 9110, 8.4.1.3).
    init(_ field: String?) {
        for element in FieldList.elements(of: field ?? "") {
            guard let (coding, weight) = Self.codingAndWeight(element) else { continue }
            switch coding {
            case "gzip", "x-gzip": gzip = min(gzip ?? weight, weight)
            case "identity": identity = min(identity ?? weight, weight)
            case "*": others = min(others ?? weight, weight)
            default: break
            }
        }
    }

    /// Whether the client asked for gzip, by name or by `*`. Without the field it did not: RFC 9110 would then allow any
    /// coding, but programs that send no field usually cannot decode.
    var takesGzip: Bool { (gzip ?? others ?? 0) > 0 }

    /// Whether the client accepts the plain bytes: it does unless it refuses them, by name or by `*;q=0`.
    var takesIdentity: Bool { (identity ?? (others == 0 ? 0 : 1)) > 0 }

    /// The coding to use; nil when the client accepts neither.
    ///
    /// It is gzip when that is `worthwhile`, accepted, and not weighted below `identity`; also when it is not worthwhile, but
    /// the only coding that is accepted. Never when it is not `allowed`.
    func selected(worthwhile: Bool, allowed: Bool) -> ContentCoding? {
        let gzipIsOpen = allowed && takesGzip
        guard takesIdentity else { return gzipIsOpen ? .gzip : nil }
        guard gzipIsOpen, worthwhile else { return .identity }
        return (gzip ?? others ?? 0) >= (identity ?? 0) ? .gzip : .identity
    }

    /// Reads `codings [ weight ]`; nil for anything else.
    private static func codingAndWeight(_ element: Substring) -> (coding: String, weight: Int)? {
        let parts = element.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)
        let coding = FieldList.trimmed(parts[0])
        guard FieldToken.isValid(coding) else { return nil }
        guard parts.count == 2 else { return (coding.lowercased(), QualityValue.most) }
        let parameter = FieldList.trimmed(parts[1])
        guard parameter.lowercased().hasPrefix("q="), let weight = QualityValue.strict(parameter.dropFirst(2)) else {
            return nil
        }
        return (coding.lowercased(), weight)
    }
}
