import HTTPFields

/// The content coding of a download (RFC 9110, 8.4.1).
enum ContentCoding: String, Sendable, Hashable, CaseIterable {
    case identity
    case gzip
    case zstd

    /// The codings that a file can be sent in, in the order in which they are preferred where a client weights them alike.
    static let offered: [ContentCoding] = [.zstd, .gzip]
}

/// The content codings that a client accepts (RFC 9110, 12.5.3).
///
/// Parsing never fails: elements that are not a coding with an optional weight are ignored.
struct AcceptEncoding: Sendable, Hashable {
    /// The weights of the relevant codings, in thousandths; nil where the field does not name them.
    private(set) var gzip: Int?
    private(set) var zstd: Int?
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
            case "zstd": zstd = min(zstd ?? weight, weight)
            case "identity": identity = min(identity ?? weight, weight)
            case "*": others = min(others ?? weight, weight)
            default: break
            }
        }
    }

    /// How much the client wants a coding; 0 where it did not ask for it. Without the field it asked for none: RFC 9110 would then
    /// allow any, but programs that send no field usually cannot decode.
    ///
    /// gzip is asked for by name or by `*`; zstd by name only, because many programs that send `*` have no decoder for it.
    func weight(of coding: ContentCoding) -> Int {
        switch coding {
        case .identity: identity ?? (others == 0 ? 0 : 1)
        case .gzip: gzip ?? others ?? 0
        case .zstd: zstd ?? 0
        }
    }

    /// Whether the client accepts the plain bytes: it does unless it refuses them, by name or by `*;q=0`.
    var takesIdentity: Bool { weight(of: .identity) > 0 }

    /// The coding to use; nil when the client accepts none.
    ///
    /// It is the one of `offered` with the highest weight, the first of those that are weighted alike, when an encoding is
    /// `worthwhile`, and it is not weighted below `identity`; also when none is worthwhile, but the plain bytes are refused. None of
    /// `offered` when encoding is not `allowed`.
    func selected(worthwhile: Bool, allowed: Bool, offered: [ContentCoding] = ContentCoding.offered) -> ContentCoding? {
        var best: ContentCoding?
        for coding in allowed ? offered : [] where weight(of: coding) > best.map(weight(of:)) ?? 0 { best = coding }
        guard takesIdentity else { return best }
        guard let best, worthwhile, weight(of: best) >= identity ?? 0 else { return .identity }
        return best
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
