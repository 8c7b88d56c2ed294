/// A call that the sandbox knows, by the name that rules and the account use.
struct Operation: Sendable, Hashable {
    /// What a call does, whichever service it belongs to. Rules may name it in place of the operation's own name.
    enum Role: String {
        case token
        case start
        case status
        case list
        case link
        case download
        case read
    }

    /// Family and call, such as `goals.start`.
    let name: String
    let role: Role
    /// The service as the account names it.
    let service: String
    /// The names that a rule may use before the dot.
    private let families: [String]

    /// - Parameters:
    ///   - service: nil where it is the family of the name.
    ///   - aliases: what a rule may write in place of the family.
    init(_ name: String, _ role: Role, service: String? = nil, aliases: [String] = []) {
        let family = String(name.prefix { $0 != "." })
        self.name = name
        self.role = role
        self.service = service ?? family
        families = [family] + aliases
    }

    static func == (lhs: Self, rhs: Self) -> Bool { lhs.name == rhs.name }

    func hash(into hasher: inout Hasher) { hasher.combine(name) }

    /// Whether a rule's pattern means this operation: `*`, the whole name, or `family.suffix` where the family is a
    /// service (`graph` covers both eDiscovery dialects and their download hosts) or `*`, and the suffix is a role, an
    /// operation's own suffix or `*`. Without regard to case.
    func matches(pattern: String) -> Bool {
        let wanted = pattern.lowercased()
        if wanted == "*" || wanted == name.lowercased() { return true }
        guard let dot = wanted.firstIndex(of: ".") else { return families.contains(wanted) }
        let (head, tail) = (String(wanted[..<dot]), String(wanted[wanted.index(after: dot)...]))
        let suffix = name.lowercased().dropFirst(families[0].count + 1)
        return (head == "*" || families.contains(head)) && (tail == "*" || tail == suffix || tail == role.rawValue)
    }

    /// Whether any operation at all is meant by a pattern.
    static func isKnown(pattern: String) -> Bool {
        unknown.matches(pattern: pattern)
            || Services.all.contains { $0.routes.contains { $0.operation.matches(pattern: pattern) } }
    }

    /// What no service has a route for.
    static let unknown = Operation("unknown.unknown", .read)
}
