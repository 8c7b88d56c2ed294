import HTTPTypes

/// What is checked of a request's head that came as a stream of HTTP/2, beyond what NIO has checked: that each pseudo-header field is
/// there once, and that no field is of a connection (RFC 9113, 8.2 and 8.3).
enum StreamHead {
    /// The fields that no message of HTTP/2 may have, because they are of a connection (RFC 9113, 8.2.2).
    private static let connectionFields = [
        HTTPField.Name.connection, .transferEncoding, .upgrade, HTTPField.Name("Keep-Alive")!,
        HTTPField.Name("Proxy-Connection")!,
    ]
    private static let host = HTTPField.Name("Host")!

    /// Brings a head into the form that one of HTTP/1.1 has here: the host is in `authority` alone. Returns what is wrong with it.
    ///
    /// `:authority` and `Host` must not contradict each other, and one of them must be there (RFC 9113, 8.3.1): a proxy and the gateway
    /// could otherwise take two hosts for the right one.
    static func refusal(of request: inout HTTPRequest, _ limits: RequestLimits) -> Exchange.Failure? {
        guard request.headerFields.count <= limits.maxHeaderFields else { return .headerTooLarge }
        let hosts = request.headerFields[values: host]
        guard hosts.count <= 1, let authority = request.authority ?? hosts.first, !authority.isEmpty,
            hosts.first.map({ $0.lowercased() == authority.lowercased() }) ?? true,
            RequestHeadHandler.isHost(authority)
        else { return .malformedHead }
        // Whose TLS it was is not compared: a proxy may end it.
        guard request.method == .connect || ["http", "https"].contains(request.scheme) else { return .malformedHead }
        request.authority = authority
        if !hosts.isEmpty { request.headerFields[values: host] = [] }
        return nil
    }

    /// Removes what an answer of HTTP/2 must not have.
    static func clean(_ response: inout HTTPResponse) {
        for name in connectionFields where response.headerFields.contains(name) {
            response.headerFields[values: name] = []
        }
    }
}
