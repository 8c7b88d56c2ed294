import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOSSL
import SystemCrypto

/// Why nothing is sent to a server although its handshake was complete.
enum CertificateFault: String, Error, Sendable {
    case otherHost = "certificate for another host"
    /// NIOSSL compares addresses in a certificate with the address that the connection leads to, which is the proxy's.
    case addressBehindProxy = "address behind a proxy"

    /// What happened, as the end of a sentence that begins with the host.
    var words: String {
        switch self {
        case .otherHost: "showed a certificate that is not for this name."
        case .addressBehindProxy:
            "is an address, whose certificate cannot be checked through a proxy: add it to noProxy, or call it by a name."
        }
    }
}

extension ChannelPipeline.SynchronousOperations {
    /// Whether the peer's certificate is for the name (RFC 9525, 6.3). Its chain has been checked by NIOSSL.
    ///
    /// NIOSSL also takes a certificate for the address that the connection leads to. But who answers with a false address to a
    /// question for the name may have a certificate for that address, and so may a proxy for its own.
    package func peerCertificate(isFor name: String) -> Bool {
        guard let leaf = try? nioSSL_peerCertificate(), let der = try? leaf.toDERBytes(),
            let certificate = try? Certificate(der: der)
        else { return false }
        return certificate.isValid(forHost: name)
    }
}

/// Sends nothing on a connection with TLS whose certificate is not for the host of the request.
///
/// It looks at the first request of a connection: all later ones are for the same host.
final class CertificateCheck: ChannelOutboundHandler {
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private enum State {
        case unchecked
        case passed
        case failed(CertificateFault)
    }

    private let isProxied: Bool
    private var state = State.unchecked

    private init(isProxied: Bool) { self.isProxied = isProxied }

    /// Adds it after the decoder of a connection of the HTTP client; does nothing without TLS. Call on the event loop of `channel`.
    static func add(to channel: any Channel, isProxied: Bool) throws {
        let pipeline = channel.pipeline.syncOperations
        guard (try? pipeline.handler(type: NIOSSLClientHandler.self)) != nil else { return }
        let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
        try pipeline.addHandler(CertificateCheck(isProxied: isProxied), position: .after(decoder))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .unchecked = state, case .head(let head) = unwrapOutboundIn(data) {
            if let fault = fault(head, context) {
                state = .failed(fault)
                // Later, because AsyncHTTPClient is still busy with the writing.
                context.eventLoop.assumeIsolated()
                    .execute {
                        context.fireErrorCaught(fault)
                        context.close(promise: nil)
                    }
            } else {
                state = .passed
            }
        }
        if case .failed(let fault) = state {
            promise?.fail(fault)
        } else {
            context.write(data, promise: promise)
        }
    }

    private func fault(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) -> CertificateFault? {
        // The HTTP client makes the field of the request's URL.
        guard let field = head.headers.first(name: "host"), let url = UpstreamURL("https://" + field) else {
            return .otherHost
        }
        if (try? SocketAddress(ipAddress: url.host, port: 0)) != nil {
            // Without a proxy, NIOSSL has compared the certificate with this very address.
            return isProxied ? .addressBehindProxy : nil
        }
        let name = url.host.hasSuffix(".") ? String(url.host.dropLast()) : url.host
        return context.pipeline.syncOperations.peerCertificate(isFor: name) ? nil : .otherHost
    }
}
