import HTTPFields
import Exports

/// The only supported preference (RFC 7240): `wait=N`. All others are ignored, as the RFC requires.
enum Preference {
    /// The seconds of the first `wait` in a `Prefer` field, at most `most`; nil where there is none that can be read.
    static func wait(in field: String?, most: Duration) -> Duration? {
        for element in FieldList.elements(of: field ?? "") {
            // Parameters follow a semicolon. `wait` has none, so they are ignored.
            let (name, value) = FieldParameters.pair(element.prefix { $0 != ";" })
            guard name.lowercased() == "wait" else { continue }
            guard let value, !value.isEmpty, value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            // Longer than any limit, and perhaps too large for Int64.
            guard value.utf8.count <= 9, let seconds = Int64(value) else { return most }
            return min(.seconds(seconds), most)
        }
        return nil
    }

    /// The value of `Preference-Applied`.
    static func applied(wait: Duration) -> String { "wait=\(wait.wholeSecondsRoundedUp)" }
}
