import Exports
import NIOCore
import NIOSSL
import SystemCrypto

/// Who calls, by the client certificate of the connection.
struct PeerCertificates: Sendable {
    let callers: [ClientCertificate]

    /// The caller; nil on a connection without a client certificate, and for one that is nobody's.
    ///
    /// A certificate that does not come from a configured authority ended its connection before the first request.
    func caller(on channel: any Channel) async -> Caller? {
        guard !callers.isEmpty, let der = await Self.peerCertificate(on: channel) else { return nil }
        let thumbprint = SHA256.hash(der)
        let subject = (try? Certificate(der: der))?.subject
        let known = callers.first { caller in
            switch caller.mark {
            case .thumbprint(let wanted): constantTimeEquals(thumbprint, wanted)
            case .subject(let wanted): subject == wanted
            }
        }
        return known.map { Caller(id: $0.id, kind: .certificate, permissions: $0.permissions) }
    }

    private static func peerCertificate(on channel: any Channel) async -> [UInt8]? {
        // Fails on a channel without TLS, as in tests of routes: there is no certificate then.
        let certificate = try? await channel.eventLoop
            .submit { try channel.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self).peerCertificate }
            .get()
        return try? certificate?.toDERBytes()
    }
}
