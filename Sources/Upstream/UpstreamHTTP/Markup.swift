/// Finds the elements of a web page or an XML text that say what went wrong. It is not a complete parser.
///
/// The time is in proportion to the length: only the first element of each name counts, and its content is bounded.
struct Markup {
    private static let names: Set<String> = [
        "title", "h1", "code", "message", "faultcode", "faultstring", "authenticationerrordetail", "requestid",
    ]
    private static let longestContent = 4096
    private static let longestTag = 1024

    private var elements: [String: String] = [:]
    /// The text between the tags, without scripts and styles.
    private(set) var text = ""

    /// Reads a text that begins with a tag.
    init(_ markup: Substring) {
        let bytes = Array(markup.utf8.prefix(64 << 10))
        var position = 0
        var isHidden = false
        var plain: [UInt8] = []
        while position < bytes.count {
            guard bytes[position] == UInt8(ascii: "<") else {
                if !isHidden, plain.count < Self.longestContent { plain.append(bytes[position]) }
                position += 1
                continue
            }
            let end = bytes[position...].prefix(Self.longestTag).firstIndex(of: UInt8(ascii: ">")) ?? position
            let name = Self.name(bytes[min(position + 1, bytes.count)..<max(end, min(position + 1, bytes.count))])
            if ["script", "style"].contains(name) { isHidden = true }
            if ["/script", "/style"].contains(name) { isHidden = false }
            plain.append(UInt8(ascii: " "))
            position = end + 1
            guard Self.names.contains(name), elements[name] == nil else { continue }
            // Stored even when it is empty or does not end, so that the same element is not searched for again.
            elements[name] = Self.content(bytes[min(position, bytes.count)...], of: name) ?? ""
        }
        text = Self.decoded(plain[...])
    }

    /// The content of the first element of this lower-case name, whatever its prefix; nil when it is empty.
    subscript(_ name: String) -> String? { elements[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// The name of a tag without its prefix, in lower case; of one that closes, with the slash.
    private static func name(_ tag: ArraySlice<UInt8>) -> String {
        let slash = tag.first == UInt8(ascii: "/")
        let whole = (slash ? tag.dropFirst() : tag)
            .prefix {
                $0 > 0x20 && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ">")
            }
            .prefix(64)
        let local = whole.lastIndex(of: UInt8(ascii: ":")).map { whole[($0 + 1)...] } ?? whole
        return (slash ? "/" : "") + String(decoding: local, as: UTF8.self).lowercased()
    }

    /// The text before the closing tag of `name`, without tags in it.
    private static func content(_ rest: ArraySlice<UInt8>, of name: String) -> String? {
        let rest = rest.prefix(longestContent)
        let cdata = Array("<![CDATA[".utf8)
        if rest.starts(with: cdata) {
            let inner = rest.dropFirst(cdata.count)
            var end = inner.startIndex
            while end < inner.endIndex, !inner[end...].starts(with: Array("]]>".utf8)) { end += 1 }
            return String(decoding: inner[..<end], as: UTF8.self)
        }
        var plain: [UInt8] = []
        var position = rest.startIndex
        while position < rest.endIndex {
            guard rest[position] == UInt8(ascii: "<") else {
                plain.append(rest[position])
                position += 1
                continue
            }
            let end = rest[position...].firstIndex(of: UInt8(ascii: ">")) ?? rest.endIndex - 1
            if Self.name(rest[(position + 1)..<max(end, position + 1)]) == "/" + name { return decoded(plain[...]) }
            position = end + 1
        }
        return nil
    }

    private static let entities = [
        "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": " ", "ndash": "–", "mdash": "—",
    ]

    /// Character references decoded, white space made one space.
    private static func decoded(_ bytes: ArraySlice<UInt8>) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        var result = ""
        var rest = text[...]
        while let start = rest.firstIndex(of: "&") {
            result += rest[..<start]
            rest = rest[start...]
            let tail = rest.dropFirst().prefix(10)
            if let end = tail.firstIndex(of: ";"), let character = character(tail[..<end]) {
                result += character
                rest = rest[rest.index(after: end)...]
            } else {
                result += "&"
                rest = rest.dropFirst()
            }
        }
        return (result + rest).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    private static func character(_ name: Substring) -> String? {
        guard name.hasPrefix("#") else { return entities[name.lowercased()] }
        let isHexadecimal = name.dropFirst().lowercased().hasPrefix("x")
        let digits = name.dropFirst(isHexadecimal ? 2 : 1)
        guard let value = UInt32(digits, radix: isHexadecimal ? 16 : 10), let scalar = Unicode.Scalar(value) else {
            return nil
        }
        return String(Character(scalar))
    }
}
