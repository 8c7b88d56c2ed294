public import Exports
import NIOCore
import NIOHTTP1
public import NIOPosix
import NIOSSL
import UpstreamHTTP
public import Webhooks

/// Sends webhook messages, each by HTTP/1.1 on a connection of its own.
///
/// The URL's host is resolved once for each request. Every address of it is checked, and the connection goes to one of exactly these
/// addresses, without a second lookup. TLS, the check of the certificate and the field `host` take the URL's host. Redirects are
/// not followed: the answer is the redirect. A proxy of the environment is not used.
public struct WebhookTransport: WebhookSender {
    private let settings: WebhookTransportSettings
    private let resolver: any WebhookResolver
    private let time: any TimeSource
    private let eventLoopGroup: MultiThreadedEventLoopGroup
    private let tls: NIOSSLContext

    /// Throws what NIOSSL throws where it cannot read the system's certificate authorities.
    ///
    /// - Parameters:
    ///   - resolver: Outlives the transport.
    ///   - time: For the time limit of a request, and for the dates of `Retry-After`.
    public init(
        settings: WebhookTransportSettings,
        resolver: any WebhookResolver,
        time: any TimeSource,
        eventLoopGroup: MultiThreadedEventLoopGroup = .singleton
    ) throws {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        if let authorities = settings.authorities {
            configuration.additionalTrustRoots = [.certificates(authorities.certificates)]
        }
        tls = try NIOSSLContext(configuration: configuration)
        self.settings = settings
        self.resolver = resolver
        self.time = time
        self.eventLoopGroup = eventLoopGroup
    }

    public func check(_ url: String) throws(WebhookSendFailure) { _ = try WebhookTarget(url, settings) }

    public func send(_ request: WebhookRequest) async throws(WebhookSendFailure) -> WebhookAnswer {
        let target = try WebhookTarget(request.url, settings)
        do {
            return try await withDeadline(settings.totalTimeout, time: time) {
                let addresses = try await self.addresses(of: target)
                let answer = try await self.exchange(request, target, addresses)
                return answer
            }
        } catch {
            // What ends because of a cancellation, ends with some failure.
            if Task.isCancelled { throw .timeout }
            throw error as? WebhookSendFailure ?? .timeout
        }
    }

    /// The addresses that may be connected to.
    private func addresses(of target: WebhookTarget) async throws(WebhookSendFailure) -> [SocketAddress] {
        switch target.destination {
        // Checked with the URL.
        case .address(let address): return [address]
        case .name(let name):
            let addresses = try await resolver.addresses(of: name, port: target.port)
            try target.check(addresses)
            return addresses
        }
    }

    /// Sends the request to the first address that takes a connection.
    private func exchange(
        _ request: WebhookRequest,
        _ target: WebhookTarget,
        _ addresses: [SocketAddress]
    ) async throws(WebhookSendFailure) -> WebhookAnswer {
        let connection = WebhookConnection()
        let result = await withTaskCancellationHandler { () -> Result<WebhookAnswer, WebhookSendFailure> in
            var failure = WebhookSendFailure.connectionFailed
            for address in addresses {
                let eventLoop = eventLoopGroup.next()
                let promise = eventLoop.makePromise(of: WebhookAnswer.self)
                do throws(WebhookSendFailure) {
                    try await connection.open(
                        address,
                        on: eventLoop,
                        timeout: .milliseconds(settings.connectTimeout.milliseconds)
                    ) { try prepare($0, request, target, promise) }
                } catch {
                    promise.fail(error)
                    failure = error
                    if Task.isCancelled { break }
                    continue
                }
                do {
                    return .success(try await promise.futureResult.get())
                } catch {
                    return .failure(error as? WebhookSendFailure ?? .brokenAnswer)
                }
            }
            return .failure(failure)
        } onCancel: {
            connection.cancel()
        }
        return try result.get()
    }

    private func prepare(
        _ channel: any Channel,
        _ request: WebhookRequest,
        _ target: WebhookTarget,
        _ promise: EventLoopPromise<WebhookAnswer>
    ) throws {
        let pipeline = channel.pipeline.syncOperations
        if target.usesTLS {
            try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: target.serverName))
        }
        let exchange = WebhookExchange(request, to: target, promise: promise) { [time] in time.now() }
        try pipeline.addHandler(AnswerLimit(exchange, maxBytes: settings.maxAnswerBytes))
        try pipeline.addHandler(HTTPRequestEncoder())
        try pipeline.addHandler(ByteToMessageHandler(HTTPResponseDecoder()))
        try pipeline.addHandler(NIOHTTPRequestHeadersValidator())
        try pipeline.addHandler(exchange)
    }
}
