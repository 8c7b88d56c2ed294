import Exports
public import JSON

extension JSONValue {
    /// The member of this name, whatever the case of its ASCII letters: Microsoft's services write one name in several ways.
    /// The exact spelling goes before others.
    public func member(_ name: String) -> JSONValue? {
        guard let object else { return nil }
        // Objects with more members are none of Microsoft's, and would make each lookup a search.
        return object[name] ?? (object.count <= 256 ? object.first { Self.isSame($0.key, name) }?.value : nil)
    }

    /// The text of a member, whatever the case of its name; nil when it is empty or no text.
    public func text(_ name: String) -> String? {
        guard let text = member(name)?.string, !text.isEmpty else { return nil }
        return text
    }

    /// The text of a member that names something at the upstream; nil also when it is longer than any of its ids
    /// (`UpstreamText.longestID`), because one that is cut names nothing, or something else.
    public func id(_ name: String) -> String? { text(name).flatMap { UpstreamText.id($0) } }

    private static func isSame(_ left: String, _ right: String) -> Bool {
        let (left, right) = (left.utf8, right.utf8)
        guard left.count == right.count else { return false }
        return zip(left, right)
            .allSatisfy { left, right in
                left == right
                    || (left | 0x20 == right | 0x20 && (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(left | 0x20))
            }
    }
}
