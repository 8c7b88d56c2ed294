import AsyncHTTPClient
import Exports
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// The meaning of a failed call. A start may be repeated only if the call cannot have reached the upstream.
enum TransportFailure {
    /// Whether the request was certainly not sent: there was no connection, or not one that could be used.
    static func wasNeverSent(_ error: any Error) -> Bool {
        switch error {
        case is NeverSent, is NIOConnectionError, is CertificateFault: true
        // A connection to an IP address fails with the system's own error.
        case let error as IOError: error.errnoCode == ECONNREFUSED
        case let error as ChannelError: if case .connectTimeout = error { true } else { false }
        case let error as HTTPClientError:
            error == .connectTimeout || error == .getConnectionFromPoolTimeout || error == .tlsHandshakeTimeout
                || error == .alreadyShutdown || error == .emptyHost || error == .invalidURL
                || error == .proxyAuthenticationRequired || error == .invalidProxyResponse
                || error == .httpProxyHandshakeTimeout
        case let error as NIOSSLError:
            if case .handshakeFailed = error { true } else { false }
        case is NIOSSLExtraError: true
        default: false
        }
    }

    /// Whether there was a connection, and the other end closed or reset it.
    static func wasBrokenOff(_ error: any Error) -> Bool {
        switch error {
        case let error as HTTPClientError: error == .remoteConnectionClosed
        case is IOError: !wasNeverSent(error)
        // The connection had been closed, and the pool had not heard of it.
        case let error as ChannelError: if case .ioOnClosedChannel = error { true } else { false }
        default: false
        }
    }

    static func isTimeout(_ error: any Error) -> Bool {
        if let error = error as? NeverSent { return isTimeout(error.cause) }
        if let error = error as? ChannelError, case .connectTimeout = error { return true }
        guard let error = error as? HTTPClientError else { return error is DeadlineExceeded }
        return error == .deadlineExceeded || error == .readTimeout || error == .connectTimeout
            || error == .getConnectionFromPoolTimeout || error == .tlsHandshakeTimeout
    }

    /// A name without values, for logs and metrics.
    static func label(_ error: any Error) -> String {
        switch error {
        case let error as NeverSent: label(error.cause)
        case let error as HTTPClientError: error.shortDescription
        case is NIOConnectionError: "connection refused"
        case let error as IOError where error.errnoCode == ECONNREFUSED: "connection refused"
        case is CancellationError: "cancelled"
        case is DeadlineExceeded: "deadline exceeded"
        case let error as FramingFault: error.rawValue
        case let error as CertificateFault: error.rawValue
        case let error as HTTPParserError: "not HTTP (\(error))"
        default: "\(type(of: error))"
        }
    }

    /// The error of a call that got no usable answer.
    static func providerError(_ error: any Error, idempotent: Bool, host: String) -> ProviderError {
        if let error = error as? ProviderError { return error }
        if error is NIOTooManyBytesError && idempotent {
            return ProviderError(
                .permanent,
                "The upstream's answer from \(host) is too large.",
                cause: error
            )
        }
        if let what = notHTTP(error) {
            return idempotent
                ? ProviderError(.transient, "\(host) \(what)", problem: .upstreamBroken, cause: error)
                : ProviderError(
                    .ambiguous,
                    "\(host) \(what) What was asked for may have been carried out.",
                    cause: error
                )
        }
        if let fault = error as? CertificateFault {
            return ProviderError(.transient, "\(host) \(fault.words) Nothing was sent.", cause: error)
        }
        if idempotent || wasNeverSent(error) {
            return isTimeout(error)
                ? ProviderError(.transient, "\(host) did not answer in time.", problem: .upstreamTimeout, cause: error)
                : ProviderError(.transient, "\(host) cannot be reached or broke the connection off.", cause: error)
        }
        return ProviderError(
            .ambiguous,
            "The call to \(host) broke off before its answer came: it may have been carried out.",
            cause: error
        )
    }
}

extension TransportFailure {
    /// What is wrong with an answer that is not valid HTTP, or whose end is not known.
    private static func notHTTP(_ error: any Error) -> String? {
        switch error {
        case FramingFault.bytesAfterTheEnd: "sends bytes that answer no call."
        case let error as FramingFault: "sends an answer with \(error.rawValue): where it ends cannot be known."
        case let error as HTTPParserError: "sends an answer that is not HTTP/1.1 (\(error))."
        default: nil
        }
    }
}

/// A call failed before there was a connection to send it on, or on one that could not be used.
struct NeverSent: Error {
    var cause: any Error
}

/// A call took longer than its whole time limit.
package struct DeadlineExceeded: Error {}

/// Runs `work` for at most `limit`. Throws `DeadlineExceeded` after it, when `work` has ended because it was cancelled.
///
/// AsyncHTTPClient's own deadline is only for the head of the response.
package func withDeadline<Value: Sendable>(
    _ limit: Duration,
    time: any TimeSource,
    _ work: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await work() }
        group.addTask {
            try await time.deadline(after: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let value = first else { throw DeadlineExceeded() }
        return value
    }
}
