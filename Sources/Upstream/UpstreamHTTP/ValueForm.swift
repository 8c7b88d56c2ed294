import Exports
public import JSON

/// The form of a value in an answer: all that the check against the live service keeps of it. A closed list, without the value.
public enum ValueForm: String, Sendable, Hashable, CaseIterable {
    case absent
    case null
    case boolean
    case integer
    case number
    case emptyText = "empty text"
    case text
    /// RFC 3339.
    case date
    /// A date in the year 1, which means none.
    case unsetDate = "date in the year 1"
    /// `https://…` or `http://…`.
    case link
    case array
    case object

    /// The form of a member's value; nil is an absent member.
    public init(_ value: JSONValue?) {
        self =
            switch value {
            case nil: .absent
            case .null: .null
            case .bool: .boolean
            case .integer: .integer
            case .number: .number
            case .array: .array
            case .object: .object
            case .string(let text): Self(text: text)
            }
    }

    private init(text: String) {
        if text.isEmpty {
            self = .emptyText
        } else if Timestamp(rfc3339: text) != nil {
            self = Timestamp.upstream(text) == nil ? .unsetDate : .date
        } else {
            self = text.isWebAddress ? .link : .text
        }
    }

    /// Whether a value of this form is one of those that were expected: where any text is, a date or a link will do.
    public func fits(_ expected: Set<ValueForm>) -> Bool {
        if expected.contains(self) { return true }
        switch self {
        case .date, .unsetDate, .link: return expected.contains(.text)
        case .integer: return expected.contains(.number)
        default: return false
        }
    }
}

/// The form of a header field's value: a closed list, without the value.
public enum HeaderForm: String, Sendable, Hashable, CaseIterable {
    /// In double quotes.
    case quoted = "in double quotes"
    /// `https://…` or `http://…`, perhaps in quotes.
    case address
    /// A key in parentheses and quotes, as OData has it: `operations('…')`.
    case keyInParentheses = "a key in parentheses"
    /// A whole number, such as of seconds or bytes.
    case wholeNumber = "a whole number"
    /// A strong entity tag (RFC 9110, 8.8.3).
    case strongTag = "a strong entity tag"
    /// `bytes`, of `Accept-Ranges`.
    case bytes

    /// Every form that a value has.
    public static func all(of value: String) -> Set<HeaderForm> {
        var forms: Set<HeaderForm> = []
        let inner =
            value.count > 1 && value.hasPrefix("\"") && value.hasSuffix("\"")
            ? value.dropFirst().dropLast() : value[...]
        if inner.count < value.count { forms.insert(.quoted) }
        if inner.isWebAddress { forms.insert(.address) }
        if inner.hasSuffix("')") && inner.contains("('") { forms.insert(.keyInParentheses) }
        if !value.isEmpty, value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) { forms.insert(.wholeNumber) }
        if FileRange.isStrong(value) { forms.insert(.strongTag) }
        if value.lowercased() == "bytes" { forms.insert(.bytes) }
        return forms
    }
}

extension StringProtocol {
    fileprivate var isWebAddress: Bool { hasPrefix("https://") || hasPrefix("http://") }
}
