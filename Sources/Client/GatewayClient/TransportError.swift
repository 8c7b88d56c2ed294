import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// What a failed exchange means.
enum TransportError {
    /// A `CancellationError`, or a `GatewayClientError` that names what happened.
    static func named(_ error: any Error, _ address: GatewayAddress) -> any Error {
        switch error {
        case is CancellationError, is GatewayClientError: error
        case NIOSSLError.handshakeFailed, is NIOSSLExtraError: untrusted(error, address)
        case is NamedCertificate.OtherHost:
            GatewayClientError.untrusted("The certificate of \(address) is not for this host's name.")
        case let error as HTTPClientError where error == .cancelled: CancellationError()
        case let error as HTTPClientError where silences.contains(error):
            GatewayClientError.silent("\(address) did not answer in time.")
        case let error as HTTPClientError where error == .connectTimeout || error == .tlsHandshakeTimeout:
            GatewayClientError.unreachable(
                "\(address) cannot be reached: there is no connection within the time limit."
            )
        case let error as IOError where error.errnoCode == ECONNREFUSED:
            GatewayClientError.unreachable("\(address) cannot be reached: the connection was refused.")
        case let error as NIOConnectionError:
            GatewayClientError.unreachable("\(address) cannot be reached: \(reason(error)).")
        case is HTTPParserError:
            GatewayClientError.unreachable("The connection to \(address) broke off, or what comes is not HTTP/1.1.")
        case let error as ChannelError:
            GatewayClientError.unreachable("\(address) cannot be reached: \(error).")
        default: GatewayClientError.unreachable("The connection to \(address) broke off (\(label(error))).")
        }
    }

    private static let silences: [HTTPClientError] = [.readTimeout, .deadlineExceeded, .getConnectionFromPoolTimeout]

    private static func untrusted(_ error: any Error, _ address: GatewayAddress) -> GatewayClientError {
        // BoringSSL's own word for it, such as CERTIFICATE_VERIFY_FAILED, without the place in its sources.
        let reason = "\(error)".firstMatch(of: /OPENSSL_internal:([A-Z0-9_]+)/).map { String($0.1) } ?? "\(error)"
        return .untrusted("TLS with \(address) failed (\(reason)). Is its certificate valid for this address?")
    }

    private static func reason(_ error: NIOConnectionError) -> String {
        if error.dnsAError != nil || error.dnsAAAAError != nil { return "the host's name has no address" }
        guard let first = error.connectionErrors.first?.error else { return "there is no connection" }
        return (first as? IOError).map { $0.errnoCode == ECONNREFUSED ? "the connection was refused" : "\($0)" }
            ?? "\(first)"
    }

    private static func label(_ error: any Error) -> String {
        (error as? HTTPClientError)?.shortDescription ?? "\(type(of: error))"
    }
}
