/// A key whose value differs between two configurations.
struct ConfigurationChange: Sendable, Hashable {
    /// How an element of a list has changed as a whole.
    enum Whole: Sendable {
        case added, removed
    }

    /// The key as operators are told of it, such as `connections[purview].requestsPerMinute`.
    var key: String
    /// Set where an element of a list, such as a connection, is in one configuration only: `key` is the element then.
    var whole: Whole?

    /// The key without the name of an element, such as `connections[].requestsPerMinute`.
    var pattern: String {
        guard let brackets else { return key }
        return String(key[...brackets.lowerBound]) + String(key[brackets.upperBound...])
    }

    /// The name of the element that it is about, such as `purview`.
    var element: String? {
        brackets.map { String(key[$0].dropFirst()) }
    }

    /// What a reload does with it.
    var effect: ReloadRule.Effect { ReloadRule.effect(of: pattern) }

    /// From the bracket that opens to the one that closes, without that. Names have no brackets that close, but a caller's id may.
    private var brackets: Range<String.Index>? {
        guard let start = key.firstIndex(of: "["), let end = key.lastIndex(of: "]"), start < end else { return nil }
        return start..<end
    }

    /// The changes that lead from one configuration to another, in the order of their keys.
    static func all(from former: ConfigurationKeys, to new: ConfigurationKeys) -> [ConfigurationChange] {
        let (former, new) = (former.values, new.values)
        let elements = (former: elements(of: former), new: elements(of: new))
        var changes: Set<ConfigurationChange> = []
        for key in Set(former.keys).union(new.keys) where former[key] != new[key] {
            let element = element(in: key)
            let whole: Whole? =
                switch element {
                case .some(let element) where !elements.former.contains(element): .added
                case .some(let element) where !elements.new.contains(element): .removed
                default: nil
                }
            changes.insert(ConfigurationChange(key: whole == nil ? key : element ?? key, whole: whole))
        }
        return changes.sorted { $0.key < $1.key }
    }

    private static func elements(of values: [String: [UInt8]]) -> Set<String> {
        Set(values.keys.compactMap { element(in: $0) })
    }

    /// The element of a list that a key is of, such as `connections[purview]`.
    private static func element(in key: String) -> String? {
        key.lastIndex(of: "]").map { String(key[...$0]) }
    }
}
