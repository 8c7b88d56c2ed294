import HTTPFields
import Exports
import JSON

/// The query of a request, parsed once: names and values percent-decoded, `+` read as a space.
struct QueryParser: Sendable {
    private let values: [String: String]

    /// Reads a query whose parameters are all among `allowed`, each given at most once.
    ///
    /// Throws `invalidParameter` that names the parameter which is not known, repeated or not readable.
    init(_ query: Substring?, allowed: [String]) throws(GatewayError) {
        var values: [String: String] = [:]
        for pair in (query ?? "").split(separator: "&") {
            let equals = pair.firstIndex(of: "=")
            let rawName = pair[..<(equals ?? pair.endIndex)]
            let rawValue = equals.map { pair[pair.index(after: $0)...] } ?? ""
            guard let name = PercentEncoding.decode(rawName, plusIsSpace: true) else {
                throw .invalidParameter(String(rawName), "its name is not valid percent-encoded UTF-8")
            }
            guard allowed.contains(name) else {
                let known =
                    allowed.isEmpty ? "; this resource takes none" : "; known are \(allowed.joined(separator: ", "))"
                throw .invalidParameter(
                    name,
                    "is not a parameter here" + ObjectReader.suggestion(for: name, among: allowed) + known
                )
            }
            guard let value = PercentEncoding.decode(rawValue, plusIsSpace: true) else {
                throw .invalidParameter(name, "its value is not valid percent-encoded UTF-8")
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw .invalidParameter(name, "may be given only once")
            }
        }
        self.values = values
    }

    /// The parameter's value; nil when it was not given.
    subscript(_ name: String) -> String? { values[name] }

    /// One of `allowed`.
    func choice(_ name: String, among allowed: [String]) throws(GatewayError) -> String? {
        guard let value = values[name] else { return nil }
        guard allowed.contains(value) else {
            throw .invalidParameter(
                name,
                "must be one of \(allowed.joined(separator: ", "))"
                    + ObjectReader.suggestion(for: value, among: allowed)
            )
        }
        return value
    }

    /// A whole number within `range`.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(GatewayError) -> Int? {
        guard let value = values[name] else { return nil }
        guard !value.isEmpty, value.utf8.count <= 10, value.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int(value), range.contains(number)
        else {
            throw .invalidParameter(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A text with `length` in Unicode scalars, without control characters.
    func string(_ name: String, length: ClosedRange<Int>) throws(GatewayError) -> String? {
        guard let value = values[name] else { return nil }
        guard length.contains(value.unicodeScalars.count), !value.unicodeScalars.contains(where: { $0.isControl })
        else {
            throw .invalidParameter(
                name,
                "must have \(length.lowerBound) to \(length.upperBound) characters and no control characters"
            )
        }
        return value
    }

    /// A date and time of RFC 3339, its zone included.
    func timestamp(_ name: String) throws(GatewayError) -> Timestamp? {
        guard let value = values[name] else { return nil }
        let hasZone =
            value.utf8.count >= 20
            && (value.hasSuffix("Z") || value.hasSuffix("z") || "+-".contains(value.suffix(6).first ?? " "))
        guard hasZone, value.utf8.count <= 40, !value.contains(" "), let timestamp = Timestamp(rfc3339: value) else {
            let hint = value.contains(" ") ? " (a + in a query must be written %2B)" : ""
            throw .invalidParameter(name, "must be a date and time such as 2026-07-01T00:00:00Z\(hint)")
        }
        return timestamp
    }
}

extension Unicode.Scalar {
    /// C0 and DEL.
    var isControl: Bool { value < 0x20 || value == 0x7F }
}

extension GatewayError {
    /// A parameter or header field that is not valid: named in `detail` and in the member `parameter`.
    static func invalidParameter(_ name: String, _ fault: String) -> GatewayError {
        let shown = String(name.unicodeScalars.filter { !$0.isControl }.prefix(128).map(Character.init))
        return GatewayError(.invalidParameter, "\(shown): \(fault).", members: .parameter(shown))
    }
}
