import Exports
public import JSON

extension JSONValue {
    /// The member with this name, without regard to the case of ASCII letters, because Microsoft's services write the same name in
    /// several ways. The exact spelling is preferred.
    public func member(_ name: String) -> JSONValue? {
        guard let object else { return nil }
        // Microsoft's objects are smaller. In a larger one, each lookup would be a long search.
        return object[name] ?? (object.count <= 256 ? object.first { Self.isSame($0.key, name) }?.value : nil)
    }

    /// The text of a member, whatever the case of its name; nil when it is empty or no text.
    public func text(_ name: String) -> String? {
        guard let text = member(name)?.string, !text.isEmpty else { return nil }
        return text
    }

    /// The text of a member that is an id at the upstream. Nil also when it is longer than any id (`UpstreamText.longestID`), because an
    /// id that is cut would name nothing, or something else.
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
