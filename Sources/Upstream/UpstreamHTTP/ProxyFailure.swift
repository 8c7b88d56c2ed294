import AsyncHTTPClient
import Exports
import Foundation
import NIOCore
import NIOPosix

/// Why there was no connection through the proxy: nothing was sent to the upstream. The raw value is a metric's label.
///
/// AsyncHTTPClient passes neither the status nor the body of the proxy's refusal on, so that nothing in it can be taken for the
/// upstream's answer, and no credentials in it can be repeated.
enum ProxyFailure: String, Error, Sendable {
    /// It wants credentials, or others (407).
    case credentials
    /// It answered with any other status than success.
    case refused
    /// No connection to it, or no address for its name.
    case unreachable
    /// There was no connection within the time limit.
    case timeout
    /// It closed the connection before the tunnel was there. Told of starts only: of other calls, it is not known whether the
    /// connection had been there before.
    case brokenOff = "broken-off"

    /// Reads the error of a call that was to go through a proxy. Nil for what is not the proxy's failure.
    init?(_ error: any Error) {
        let wasNeverConnected = error is NeverSent
        switch (error as? NeverSent)?.cause ?? error {
        case let error as HTTPClientError:
            switch error {
            case .proxyAuthenticationRequired: self = .credentials
            case .invalidProxyResponse: self = .refused
            case .httpProxyHandshakeTimeout, .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout:
                self = .timeout
            case .remoteConnectionClosed where wasNeverConnected: self = .brokenOff
            default: return nil
            }
        case is NIOConnectionError: self = .unreachable
        case let error as ChannelError:
            guard case .connectTimeout = error else { return nil }
            self = .timeout
        case let error as IOError where Self.pathErrors.contains(error.errnoCode): self = .unreachable
        case is IOError where wasNeverConnected: self = .brokenOff
        default: return nil
        }
    }

    /// The system's errors of a connection that cannot be opened.
    private static let pathErrors: Set<CInt> = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL]

    /// How long a call is not repeated: an account must not be locked by tries with a wrong password.
    private static let credentialsPause = Duration.seconds(60)

    /// The error of the call to `host`: the upstream was not asked.
    func providerError(host: String, cause: any Error) -> ProviderError {
        let reason =
            switch self {
            case .credentials: "does not accept the gateway's credentials. An operator has to correct them."
            case .refused: "refused the connection."
            case .unreachable: "cannot be reached."
            case .timeout: "opened no connection in time."
            case .brokenOff: "broke the connection off before it was complete."
            }
        return ProviderError(
            .transient,
            "\(host) was not asked: the proxy on the way out \(reason)",
            problem: self == .timeout ? .upstreamTimeout : nil,
            retryAfter: self == .credentials ? Self.credentialsPause : nil,
            cause: cause
        )
    }
}
