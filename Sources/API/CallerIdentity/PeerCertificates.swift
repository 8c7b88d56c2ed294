import Exports
import NIOCore
import NIOSSL
import SystemCrypto

/// Authenticates callers by the client certificate of the connection.
struct PeerCertificates: Sendable {
    let callers: [ClientCertificate]
    let time: any TimeSource

    /// The caller; nil on a connection without a client certificate, and for one that belongs to no caller or is not valid now.
    ///
    /// A connection with a certificate that is not from a configured authority has ended before the first request. The
    /// certificate's validity is checked at each request: connections last long, and are resumed without checking it.
    func caller(on channel: any Channel) async -> Caller? {
        guard !callers.isEmpty, let der = await Self.peerCertificate(on: channel),
            let certificate = try? Certificate(der: der), isValid(certificate)
        else { return nil }
        // A caller with this very certificate comes before callers with a subject.
        let known =
            callers.first { caller in
                guard case .thumbprint(let wanted) = caller.mark else { return false }
                return constantTimeEquals(certificate.sha256, wanted)
            } ?? callers.first { $0.mark == .subject(certificate.subject) }
        return known.map { Caller(id: $0.id, kind: .certificate, permissions: $0.permissions) }
    }

    private func isValid(_ certificate: Certificate) -> Bool {
        let now = time.now()
        // The last second is included.
        return Timestamp(milliseconds: certificate.notBefore * 1000) <= now
            && now < Timestamp(milliseconds: (certificate.notAfter + 1) * 1000)
    }

    private static func peerCertificate(on channel: any Channel) async -> [UInt8]? {
        // Fails on a channel without TLS, as in tests of routes. Then there is no certificate.
        let certificate = try? await channel.eventLoop
            .submit {
                if let own = try? channel.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self) {
                    return own.peerCertificate
                }
                // A stream of HTTP/2 is on its connection's event loop. A connection's parent is the listener, which has no TLS.
                guard let parent = channel.parent, parent.eventLoop === channel.eventLoop else { return nil }
                return try parent.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self).peerCertificate
            }
            .get()
        return try? certificate?.toDERBytes()
    }
}
