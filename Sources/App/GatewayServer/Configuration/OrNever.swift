/// A choice, or `never`.
struct OrNever<Value: RawRepresentable & CaseIterable>: RawRepresentable, CaseIterable where Value.RawValue == String {
    /// Nil for `never`.
    let value: Value?

    init(_ value: Value?) {
        self.value = value
    }

    init?(rawValue: String) {
        guard rawValue != Self.never else {
            value = nil
            return
        }
        guard let value = Value(rawValue: rawValue) else { return nil }
        self.value = value
    }

    var rawValue: String { value?.rawValue ?? Self.never }

    static var allCases: [OrNever] {
        var all: [OrNever] = []
        for value in Value.allCases { all.append(OrNever(value)) }
        return all + [OrNever(nil)]
    }

    private static var never: String { "never" }
}
