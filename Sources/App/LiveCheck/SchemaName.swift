/// Which names of members may be shown: those that look like names of a schema, and not like somebody's data.
///
/// An object whose members are named by data, such as by ids or by users, would show them otherwise. What such a name may be is
/// narrow, but a name of letters alone passes: so only members beside declared ones are read, never those of unknown objects.
enum SchemaName {
    /// The longest name that is shown.
    static let longest = 40
    /// How many names of one kind of answer are shown.
    static let most = 16

    private static let annotations = ["@odata.", "@microsoft.graph."]

    /// Whether `name` is letters, with at most one digit at its end, in at most six words; perhaps behind the prefix of an
    /// annotation.
    static func isPlausible(_ name: String) -> Bool {
        let prefix = annotations.first { name.hasPrefix($0) } ?? ""
        var rest = name.dropFirst(prefix.count)
        guard (1...longest).contains(name.utf8.count), !rest.isEmpty else { return false }
        if let last = rest.utf8.last, (0x30...0x39).contains(last) { rest = rest.dropLast() }
        guard !rest.isEmpty, rest.utf8.allSatisfy(isLetter) else { return false }
        let capitals = rest.utf8.filter { (0x41...0x5A).contains($0) }.count
        return capitals <= 6 && (capitals == 0 || capitals * 2 < rest.utf8.count)
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
}
