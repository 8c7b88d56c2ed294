import Exports

/// The weak entity tag of an export: its id and revision, which counts everything a client can see but `observedAt`.
struct EntityTag: Sendable, Hashable {
    /// The value of `ETag`.
    let field: String
    /// What stands between the quotes.
    var opaque: Substring { field.dropFirst(3).dropLast() }

    /// The tag of this version of the export.
    init(of export: Export) {
        field = "W/\"\(export.id).\(export.revision)\(export.stale ? ".stale" : "")\""
    }

    /// Whether an `If-None-Match` field (RFC 9110, 13.1.2) names this version; compared weakly, as it must be.
    func isNamed(by field: String) -> Bool {
        // As this gateway sends it, which is nearly always.
        if field == self.field { return true }
        if FieldValue.trimmed(field) == "*" { return true }
        return FieldValue.elements(field)
            .contains { element in
                let tag = element.hasPrefix("W/") ? element.dropFirst(2) : element[...]
                return tag == "\"\(opaque)\""
            }
    }
}
