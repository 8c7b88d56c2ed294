/// The prepared statements of a connection, by their texts.
struct StatementCache {
    private struct Entry {
        var name: String
        var lastUse: Int
        var isPrepared: Bool
    }

    enum Lookup: Hashable {
        case prepared(name: String)
        /// It has to be prepared with this name.
        case new(name: String)
    }

    private let limit: Int
    private var entries: [String: Entry] = [:]
    /// The texts that were given a name which the server has not confirmed.
    private var unconfirmed: [String] = []
    private var uses = 0
    private var lastName = 0
    /// The names of statements that were evicted, and are still prepared on the server.
    private(set) var evicted: [String] = []

    init(limit: Int) { self.limit = limit }

    var count: Int { entries.count }

    /// The name of a statement. A new one may evict the one that was not used for longest.
    mutating func use(_ text: String) -> Lookup {
        uses += 1
        if let index = entries.index(forKey: text) {
            entries.values[index].lastUse = uses
            return .prepared(name: entries.values[index].name)
        }
        // Only those that the server has for certain: deallocating another would fail.
        while entries.count >= limit,
            let oldest = entries.filter({ $0.value.isPrepared }).min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            remove(oldest.key)
        }
        lastName += 1
        let name = "s\(lastName)"
        entries[text] = Entry(name: name, lastUse: uses, isPrepared: false)
        unconfirmed.append(text)
        return .new(name: name)
    }

    /// The server has prepared it.
    mutating func isPrepared(_ text: String) { entries[text]?.isPrepared = true }

    /// Ends a pipeline: names that the server has not confirmed are never used again.
    mutating func dropUnconfirmed() {
        for text in unconfirmed where entries[text]?.isPrepared == false { entries[text] = nil }
        unconfirmed = []
    }

    /// The statement cannot be used as it was prepared.
    mutating func remove(_ text: String) {
        guard let entry = entries.removeValue(forKey: text), entry.isPrepared else { return }
        evicted.append(entry.name)
    }

    /// The server has none of them any more.
    mutating func removeAll() {
        entries = [:]
        evicted = []
    }

    /// The server has deallocated it.
    mutating func isDeallocated(_ name: String) { evicted.removeAll { $0 == name } }
}
