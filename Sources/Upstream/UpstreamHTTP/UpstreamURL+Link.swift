/// Why a link cannot be used. The words complete a sentence that begins with "it".
public enum LinkFault: Error, Sendable, Hashable, CaseIterable {
    case empty, tooLong, notText, otherScheme, noHost, userInformation, brokenEncoding, insecure, otherHost

    /// What is wrong with the link. It completes a sentence that begins with "it".
    public var words: String {
        switch self {
        case .empty: "is empty"
        case .tooLong: "is longer than 8,192 bytes"
        case .notText: "holds bytes that are no UTF-8"
        case .otherScheme: "is neither an http nor an https address"
        case .noHost: "names no host, or one that is not written in ASCII"
        case .userInformation: "holds a user name before the host"
        case .brokenEncoding: "holds a percent sign that encodes nothing, or bytes that are no UTF-8"
        case .insecure: "leads from https to http"
        case .otherHost: "leads to another host"
        }
    }
}

extension UpstreamURL {
    /// Reads a link as browsers do (https://url.spec.whatwg.org/): white space around it is dropped, and what may not stand
    /// raw in an address (blanks, brackets, non-ASCII characters) is percent-encoded. Every other byte stays as it is. The
    /// fragment is left out. A relative link is resolved against `base`; one from https to http is refused.
    public init(link text: some StringProtocol, from base: UpstreamURL?) throws(LinkFault) {
        guard text.utf8.count <= 8192 else { throw .tooLong }
        guard !text.unicodeScalars.contains("\u{FFFD}") else { throw .notText }
        var text = String(String(text).prefix { $0 != "#" })
        text.removeAll { ["\t", "\n", "\r", "\r\n"].contains($0) }
        text = String(String(text.drop { $0.isBlankOrControl }.reversed()).drop { $0.isBlankOrControl }.reversed())
        guard !text.isEmpty else { throw .empty }

        let questionMark = text.firstIndex(of: "?") ?? text.endIndex
        let path = text[..<questionMark].replacing("\\", with: "/")
        let query = text[questionMark...]
        let whole: String
        if let colon = path.firstIndex(of: ":"), path[..<colon].isScheme {
            guard let scheme = Scheme(rawValue: path[..<colon].lowercased()) else { throw .otherScheme }
            let rest = path[path.index(after: colon)...]
            guard rest.hasPrefix("//") else { throw .noHost }
            whole = try "\(scheme.rawValue)://" + Self.escaped(rest.dropFirst(2), query)
        } else if let base, path.hasPrefix("//") {
            whole = try "\(base.scheme.rawValue)://" + Self.escaped(path.dropFirst(2), query)
        } else if let base {
            let merged =
                path.isEmpty
                ? base.path : Self.withoutDotSegments(path.hasPrefix("/") ? String(path) : base.folder + path)
            whole = base.origin + Self.escaped(merged, isQuery: false) + Self.escaped(query, isQuery: true)
        } else {
            throw .otherScheme
        }
        guard let url = UpstreamURL(whole) else {
            guard whole.utf8.count <= 8192 else { throw .tooLong }
            // The host is before the first percent sign: if the part before that is a valid address, the encoding is wrong.
            throw UpstreamURL(whole.prefix { $0 != "%" }) == nil ? .noHost : .brokenEncoding
        }
        if let base, base.scheme == .https, url.scheme != .https { throw .insecure }
        self = url
    }

    /// The path up to its last slash.
    private var folder: String { String(path[...(path.lastIndex(of: "/") ?? path.startIndex)]) }

    /// Host, path and query of an absolute link.
    private static func escaped(_ rest: Substring, _ query: Substring) throws(LinkFault) -> String {
        let authority = rest.prefix { $0 != "/" }
        guard !authority.contains("@") else { throw .userInformation }
        guard !authority.isEmpty, authority.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw .noHost }
        return authority + escaped(rest[authority.endIndex...], isQuery: false) + escaped(query, isQuery: true)
    }

    /// What may not stand raw, percent-encoded.
    private static func escaped(_ text: some StringProtocol, isQuery: Bool) -> String {
        var escaped: [UInt8] = []
        for byte in text.utf8 {
            if byte > 0x20, byte < 0x7F, !#"<>"[]{}|^`\"#.utf8.contains(byte) {
                escaped.append(byte)
            } else {
                escaped += Array("%".utf8) + digits(byte >> 4) + digits(byte & 0xF)
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }

    private static func digits(_ nibble: UInt8) -> [UInt8] { [nibble < 10 ? 0x30 + nibble : 0x37 + nibble] }

    /// RFC 3986, 5.2.4, for a path that begins with a slash.
    private static func withoutDotSegments(_ path: String) -> String {
        var kept: [Substring] = []
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (index, segment) in segments.enumerated() {
            let isLast = index == segments.count - 1
            switch segment {
            case ".": if isLast { kept.append("") }
            case "..":
                _ = kept.popLast()
                if isLast { kept.append("") }
            default: kept.append(segment)
            }
        }
        return "/" + kept.joined(separator: "/")
    }
}

extension Character {
    fileprivate var isBlankOrControl: Bool { unicodeScalars.allSatisfy { $0.value <= 0x20 } }
}

extension Substring {
    /// RFC 3986, 3.1.
    fileprivate var isScheme: Bool {
        guard let first, first.isASCII, first.isLetter else { return false }
        return allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }
    }
}
