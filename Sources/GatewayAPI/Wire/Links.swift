import Exports

/// The addresses in our answers: always ours, never an upstream's.
struct Links: Sendable {
    /// The gateway's own public address without a slash at its end, where the operator told it.
    let publicURL: String?
    /// What this server speaks: `http` or `https`.
    let scheme: String

    /// Takes the configured address.
    init(publicURL: String?, scheme: String = "http") {
        self.scheme = scheme
        self.publicURL = publicURL.map { String($0.reversed().drop { $0 == "/" }.reversed()) }
    }

    /// The export, for a body: absolute with a configured address, else from the root of whatever host was asked.
    func export(_ id: ExportID) -> String { "\(publicURL ?? "")/exports/\(id)" }

    /// A file of an export, for a body.
    func file(_ fileID: String, of id: ExportID) -> String {
        "\(export(id))/files/\(PercentEncoding.segment(fileID))"
    }

    /// The export, for `Location`: absolute also where only the request's `Host` tells the name, as some clients
    /// cannot follow anything else. The scheme is then what this server speaks.
    func location(of id: ExportID, authority: String?) -> String {
        guard publicURL == nil, let authority, Self.isHost(authority) else { return export(id) }
        return "\(scheme)://\(authority)\(export(id))"
    }

    /// Whether a `Host` is a plain name or address with an optional port, so that it can be repeated.
    static func isHost(_ authority: String) -> Bool {
        guard (1...255).contains(authority.utf8.count) else { return false }
        var host = authority[...]
        if host.first == "[" {
            guard let end = host.firstIndex(of: "]") else { return false }
            let address = host[host.index(after: host.startIndex)..<end].utf8
            guard !address.isEmpty,
                address.allSatisfy({ UUIDText.isHexDigit($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") })
            else { return false }
            host = host[host.index(after: end)...]
            guard !host.isEmpty else { return true }
            return host.first == ":" && isPort(host.dropFirst())
        }
        if let colon = host.firstIndex(of: ":") {
            guard isPort(host[host.index(after: colon)...]) else { return false }
            host = host[..<colon]
        }
        return !host.isEmpty
            && host.utf8.allSatisfy {
                switch $0 {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."): true
                default: false
                }
            }
    }

    private static func isPort(_ text: Substring) -> Bool {
        (1...5).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
            && (Int(text) ?? 0) <= 65_535
    }
}
