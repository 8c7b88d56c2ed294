import HTTPFields
import HTTPTypes
import NIOCore

extension PublicAddress {
    /// The address of the client that made a request: the other end of the connection, or what a trusted proxy says of its own client.
    /// Without a port. Nil where there is no address.
    ///
    /// Where `Forwarded` and `X-Forwarded-For` both come, they must agree: a proxy that knows only one of them passes the other on,
    /// whoever wrote it. Otherwise the proxy's own address is all that is known.
    ///
    /// - Parameters:
    ///   - fields: The fields of the request.
    ///   - peer: The other end of the connection.
    func client(of fields: HTTPFields, from peer: SocketAddress?) -> String? {
        guard let peer else { return nil }
        guard isTrusted(peer) else { return peer.ipAddress }
        // Empty lines are ignored, because some proxies cannot remove a field, but only empty it.
        let (lines, forLines) = (fields[values: .forwarded], fields[values: .xForwardedFor])
        let forwarded = lines.filter { !$0.isEmpty }
        let addresses = forLines.filter { !$0.isEmpty }
        let named = forwarded.isEmpty ? nil : client(ofForwarded: forwarded)
        let listed = addresses.isEmpty ? nil : client(ofAddresses: addresses)
        guard !forwarded.isEmpty, !addresses.isEmpty else { return named ?? listed ?? peer.ipAddress }
        return named == listed ? named ?? peer.ipAddress : peer.ipAddress
    }

    /// The client of the outermost trusted proxy.
    private func client(ofForwarded lines: [String]) -> String? {
        outermost((ForwardedElement.all(lines) ?? []).map(\.client))
    }

    private func client(ofAddresses lines: [String]) -> String? {
        let texts = lines.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
        return outermost(texts.map { ForwardedElement.address(String(FieldList.trimmed($0))) })
    }

    /// From the nearest proxy's statement outwards, as long as each names a trusted proxy.
    private func outermost(_ clients: [SocketAddress?]) -> String? {
        var found: SocketAddress?
        for client in clients.reversed() {
            guard let client else { break }
            found = client
            guard isTrusted(client) else { break }
        }
        return found?.ipAddress
    }
}

extension HTTPField.Name {
    static let xForwardedFor = HTTPField.Name("X-Forwarded-For")!
}
