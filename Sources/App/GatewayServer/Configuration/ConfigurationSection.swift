import EntraIdentity
import Exports
import UpstreamHTTP
import Yams

/// Reads one mapping of the configuration file strictly: every mistake stops the start, naming key and line.
///
/// Call `finish()` last; it finds the keys that nobody asked for.
struct ConfigurationSection {
    let path: String
    let environment: OperatorEnvironment

    private let mapping: Node.Mapping
    private let line: Int?
    private let isOverridable: Bool
    private var known: Set<String> = []

    /// Reads `node`, which stands at `path`; an absent node is an empty mapping.
    init(_ node: Node?, path: String, environment: OperatorEnvironment, isOverridable: Bool = false)
        throws(StartupError)
    {
        self.path = path
        self.environment = environment
        self.isOverridable = isOverridable
        line = node?.mark?.line
        switch node {
        case .mapping(let mapping): self.mapping = mapping
        case nil: mapping = Node.Mapping([])
        default: throw StartupError(path, "must be a mapping of keys\(Self.at(node?.mark?.line))")
        }
    }

    func key(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    /// A mistake in a value: names the key and its line, or the variable that stands in for it.
    func error(_ name: String, _ detail: String) -> StartupError {
        if isOverridable, let override = environment.override(section: path, key: name) {
            return StartupError(override.name, "\(detail); it overrides \(key(name))")
        }
        return StartupError(key(name), detail + Self.at(mapping[name]?.mark?.line ?? line))
    }

    mutating func node(_ name: String) -> Node? {
        known.insert(name)
        let node = mapping[name]
        // What stands below a mapping is read, and recorded, by its own keys.
        switch node {
        case .scalar(let scalar): record(name, scalar.string)
        case .sequence(let sequence):
            let texts = sequence.compactMap(\.string)
            if !texts.isEmpty { record(name, texts.joined(separator: "\n")) }
        case .mapping, .alias, nil: break
        }
        return node
    }

    /// Records the value that a key has; see `OperatorEnvironment.record`.
    func record(_ name: String, _ value: String?) { environment.record(key(name), value) }

    /// Whether a variable stands in for the key, whatever the file has.
    func isOverridden(_ name: String) -> Bool {
        isOverridable && environment.override(section: path, key: name) != nil
    }

    mutating func text(_ name: String) throws(StartupError) -> String? {
        let text = try unrecordedText(name)
        record(name, text)
        return text
    }

    /// A text, or its default where the key is left out.
    mutating func text(_ name: String, default fallback: String) throws(StartupError) -> String {
        let text = try text(name) ?? fallback
        record(name, text)
        return text
    }

    private mutating func unrecordedText(_ name: String) throws(StartupError) -> String? {
        known.insert(name)
        if isOverridable, let value = environment.override(section: path, key: name) { return value.value }
        guard let node = mapping[name] else { return nil }
        guard case .scalar(let scalar) = node else { throw error(name, "must be a single value") }
        guard !scalar.string.isEmpty, node.tag != Tag(.null) else {
            throw error(name, "has no value; leave the key out to use its default")
        }
        return scalar.string
    }

    /// The path of a file, or a URI that a key store knows. What stands in a key's or a token's file is not taken for its path,
    /// which messages repeat.
    mutating func file(_ name: String) throws(StartupError) -> String? {
        guard let text = try text(name) else { return nil }
        guard text.utf8.count <= 1024, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }), !text.contains("-----BEGIN"),
            !text.hasPrefix("eyJ")
        else { throw error(name, "must be the path of a file, not what stands in it") }
        return text
    }

    mutating func requiredFile(_ name: String) throws(StartupError) -> String {
        guard let file = try file(name) else { throw error(name, "is required") }
        return file
    }

    mutating func requiredText(_ name: String) throws(StartupError) -> String {
        guard let text = try text(name) else { throw error(name, "is required") }
        return text
    }

    mutating func integer(_ name: String, in range: ClosedRange<Int>, default fallback: Int) throws(StartupError) -> Int
    {
        guard let text = try text(name) else {
            record(name, String(fallback))
            return fallback
        }
        guard let number = Int(text), range.contains(number) else {
            throw error(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        record(name, String(number))
        return number
    }

    mutating func bool(_ name: String, default fallback: Bool) throws(StartupError) -> Bool {
        let value: Bool
        switch try text(name) {
        case nil: value = fallback
        case "true": value = true
        case "false": value = false
        default: throw error(name, "must be true or false")
        }
        record(name, String(value))
        return value
    }

    mutating func duration(
        _ name: String,
        in range: ClosedRange<Duration>,
        default fallback: Duration
    ) throws(StartupError) -> Duration {
        guard let text = try text(name) else {
            record(name, "\(fallback)")
            return fallback
        }
        guard let duration = Duration(configurationText: text), range.contains(duration) else {
            throw error(
                name,
                "must be a duration such as 500ms, 30s, 15m or 48h, from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        record(name, "\(duration)")
        return duration
    }

    mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ name: String,
        _ type: Value.Type,
        default fallback: Value?
    ) throws(StartupError) -> Value where Value.RawValue == String {
        let names = type.allCases.map(\.rawValue)
        guard let text = try text(name) else {
            guard let fallback else { throw error(name, "is required: one of \(names.joined(separator: ", "))") }
            record(name, fallback.rawValue)
            return fallback
        }
        guard let value = Value(rawValue: text) else {
            throw error(
                name,
                "must be one of \(names.joined(separator: ", "))" + ObjectReader.suggestion(for: text, among: names)
            )
        }
        return value
    }

    mutating func secret(_ name: String) throws(StartupError) -> Secret? {
        guard let reference = try text(name) else { return nil }
        let secret = try environment.secret(reference, key: key(name))
        // Where it comes from does not matter, but what it is.
        record(name, secret.reveal())
        return secret
    }

    mutating func secretSource(_ name: String) throws(StartupError) -> SecretSource? {
        guard let reference = try text(name) else { return nil }
        let source = try environment.secretSource(reference, key: key(name))
        // From a file it may change later.
        record(name, reference + "\n" + source.current().reveal())
        return source
    }

    /// A root such as `https://graph.microsoft.com`; http only where `allowPlainHTTP` says so.
    mutating func url(_ name: String, default fallback: String, allowPlainHTTP: Bool) throws(StartupError)
        -> UpstreamURL
    {
        let text = try text(name, default: fallback)
        guard let url = UpstreamURL(text), url.query == nil else {
            throw error(name, "must be a URL such as \(fallback), without query and user information")
        }
        guard url.scheme == .https || allowPlainHTTP else {
            throw error(name, "must be https: tokens go there. allowPlainHTTP: true is for the sandbox only")
        }
        return url
    }

    /// A list of hosts, which may be empty; nil where the key is left out.
    mutating func hosts(_ name: String, allowPlainHTTP: Bool) throws(StartupError) -> [HostRule]? {
        guard let node = node(name) else { return nil }
        guard case .sequence(let sequence) = node else { throw error(name, "must be a list of hosts") }
        // No host is another value than the usual ones.
        if sequence.isEmpty { record(name, "") }
        var rules: [HostRule] = []
        for element in sequence {
            guard let text = element.string, let rule = HostRule(parsing: text) else {
                throw error(
                    name,
                    "must list hosts such as files.example.com, *.example.com, *files.blob.example.com or https://host:8443"
                )
            }
            guard allowPlainHTTP || !text.hasPrefix("http://") else {
                throw error(name, "must be https hosts. allowPlainHTTP: true is for the sandbox only")
            }
            rules.append(rule)
        }
        return rules
    }

    /// Refuses every key that nobody asked for.
    func finish() throws(StartupError) {
        for (keyNode, _) in mapping {
            let name = keyNode.string ?? ""
            guard !known.contains(name) else { continue }
            let allowed = known.sorted()
            throw StartupError(
                key(name),
                "is not a key here" + ObjectReader.suggestion(for: name, among: allowed)
                    + "; known are \(allowed.joined(separator: ", "))" + Self.at(keyNode.mark?.line)
            )
        }
    }

    private static func at(_ line: Int?) -> String { line.map { " (line \($0))" } ?? "" }
}
