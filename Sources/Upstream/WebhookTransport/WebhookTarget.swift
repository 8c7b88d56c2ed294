import InternetAddresses
import NIOCore
import UpstreamHTTP
import Webhooks

/// A URL that may be called, as far as it can be told without resolving its host's name.
///
/// Every port may be called: the ports of public addresses are reached by anybody, and to those of allowed hosts the operator
/// has agreed.
struct WebhookTarget: Sendable {
    /// What the connection goes to.
    enum Destination: Sendable {
        /// A name whose addresses are not known yet.
        case name(String)
        /// An address, in the URL itself.
        case address(SocketAddress)
    }

    let destination: Destination
    let usesTLS: Bool
    let port: Int
    /// Whether the configuration allows the host, so that its addresses need not be public.
    let isAllowed: Bool
    /// The field `host`.
    let authority: String
    /// Path and query, as they are in the URL.
    let pathAndQuery: String

    /// Throws `invalidURL` and `forbiddenAddress`.
    init(_ text: String, _ settings: WebhookTransportSettings) throws(WebhookSendFailure) {
        guard let url = UpstreamURL(text), let host = WebhookHost(url.host) else { throw .invalidURL }
        isAllowed = settings.allowedHosts.contains(host)
        usesTLS = url.scheme == .https
        guard usesTLS || isAllowed && settings.allowsHTTP else { throw .invalidURL }
        port = url.port
        switch host {
        case .name(let name): destination = .name(name)
        case .address(let address):
            guard let address = try? SocketAddress(ipAddress: address, port: url.port) else { throw .invalidURL }
            destination = .address(address)
            try Self.check([address], isAllowed)
        }
        guard isAllowed || !host.isLocalName else { throw .forbiddenAddress }
        authority = String(url.origin.dropFirst(url.scheme.rawValue.count + 3))
        pathAndQuery = url.path + (url.query.map { "?" + $0 } ?? "")
    }

    /// The name that the certificate must be for; nil where it must be for the address.
    var serverName: String? { if case .name(let name) = destination { name } else { nil } }

    /// Throws `unresolved` where there are no addresses, and `forbiddenAddress` where the host may not be called at one of them.
    func check(_ addresses: [SocketAddress]) throws(WebhookSendFailure) {
        guard !addresses.isEmpty else { throw .unresolved }
        try Self.check(addresses, isAllowed)
    }

    private static func check(_ addresses: [SocketAddress], _ isAllowed: Bool) throws(WebhookSendFailure) {
        guard isAllowed || addresses.allSatisfy(\.isPublic) else { throw .forbiddenAddress }
    }
}
