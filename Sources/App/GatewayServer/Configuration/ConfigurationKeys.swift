import SystemCrypto

/// The keys of a configuration, and digests of their values: enough to tell what differs between two configurations, without the
/// secrets in them.
///
/// An element of a list has its name in brackets where it has one, such as `connections[purview].pollInterval`, otherwise its number.
struct ConfigurationKeys: Sendable {
    private var digests: [String: [UInt8]] = [:]
    private var names: [String: String] = [:]

    /// Records the value of a key. The last one counts; nil is none.
    mutating func record(_ key: String, _ value: String?) {
        digests[key] = value.map { SHA256.hash(Array($0.utf8)) }
    }

    /// Records the name of an element such as `connections[0]`.
    mutating func record(name: String, of element: String) { names[element] = name }

    /// The keys that have a value, and the digests of the values.
    var values: [String: [UInt8]] {
        Dictionary(digests.map { (named($0.key), $0.value) }) { first, _ in first }
    }

    private func named(_ key: String) -> String {
        guard let end = key.firstIndex(of: "]"), let start = key[..<end].firstIndex(of: "["),
            let name = names[String(key[...end])]
        else { return key }
        return String(key[...start]) + name + String(key[end...])
    }
}
