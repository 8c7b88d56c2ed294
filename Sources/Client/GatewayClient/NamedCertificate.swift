import NIOCore
import NIOSSL
import SystemCrypto

/// The gateway's certificate is for its name.
///
/// NIOSSL also takes a certificate for the address that the connection leads to. But who answers with a false address to a question
/// for the name may have a certificate for that address.
enum NamedCertificate {
    /// The certificate is for another host.
    struct OtherHost: Error {}

    /// Closes the connection and throws `OtherHost` where the gateway has a name and the certificate is not for it. Call on the event
    /// loop of `channel`, after the handshake.
    static func check(_ channel: any Channel, for address: GatewayAddress) throws {
        guard address.isTLS, let host = address.hostName else { return }
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        if let leaf = try? channel.pipeline.syncOperations.nioSSL_peerCertificate(), let der = try? leaf.toDERBytes(),
            let certificate = try? Certificate(der: der), certificate.isValid(forHost: name)
        {
            return
        }
        // AsyncHTTPClient leaves a connection open that it does not take.
        channel.close(promise: nil)
        throw OtherHost()
    }
}
