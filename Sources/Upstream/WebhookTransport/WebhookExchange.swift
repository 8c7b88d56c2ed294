import Exports
import NIOCore
import NIOHTTP1
import NIOSSL
import NIOTLS
import UpstreamHTTP
import Webhooks

/// Sends one request on a connection and reads its answer. Then it closes the connection.
final class WebhookExchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private enum State {
        /// Until the handshake has ended.
        case connecting
        case sent
        case head(WebhookAnswer)
        case ended
    }

    /// What is about the connection is not for the caller to say.
    private static let ownFields: Set = ["host", "content-length", "connection", "transfer-encoding"]

    private let target: WebhookTarget
    private let request: WebhookRequest
    private let promise: EventLoopPromise<WebhookAnswer>
    private let now: @Sendable () -> Timestamp
    private var state = State.connecting

    /// - Parameter promise: Gets the answer, or a `WebhookSendFailure`, when the connection has been closed.
    init(
        _ request: WebhookRequest,
        to target: WebhookTarget,
        promise: EventLoopPromise<WebhookAnswer>,
        now: @escaping @Sendable () -> Timestamp
    ) {
        self.request = request
        self.target = target
        self.promise = promise
        self.now = now
    }

    func channelActive(context: ChannelHandlerContext) {
        if !target.usesTLS { send(context) }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted = event as? TLSUserEvent {
            let isForName = target.serverName.map { context.pipeline.syncOperations.peerCertificate(isFor: $0) }
            if isForName ?? true { send(context) } else { end(.failure(.tlsFailed), context) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), state) {
        // Nobody asked for another protocol.
        case (.head(let head), .sent) where head.status == .switchingProtocols: end(.failure(.brokenAnswer), context)
        case (.head(let head), .sent):
            let fields = head.headers["retry-after"]
            let wait = fields.isEmpty ? nil : RetryAfter.read(fields.joined(separator: ","), at: now())
            state = .head(WebhookAnswer(status: Int(head.status.code), retryAfter: wait))
        case (.end, .head(let answer)): end(.success(answer), context)
        default: break
        }
    }

    /// No more of the answer is read.
    func reachedLimit(_ context: ChannelHandlerContext) {
        if case .head(let answer) = state {
            end(.success(answer), context)
        } else {
            end(.failure(.brokenAnswer), context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { end(.failure(failure), context) }

    func channelInactive(context: ChannelHandlerContext) {
        end(.failure(failure), context)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end(.failure(failure), context) }

    /// What an error means in this state.
    private var failure: WebhookSendFailure {
        guard case .connecting = state else { return .brokenAnswer }
        return target.usesTLS ? .tlsFailed : .connectionFailed
    }

    private func send(_ context: ChannelHandlerContext) {
        guard case .connecting = state else { return }
        state = .sent
        var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: target.pathAndQuery)
        head.headers.add(name: "host", value: target.authority)
        for (name, value) in request.fields where !Self.ownFields.contains(name.lowercased()) {
            head.headers.add(name: name, value: value)
        }
        head.headers.add(name: "content-length", value: String(request.body.count))
        head.headers.add(name: "connection", value: "close")
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: request.body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    private func end(_ result: Result<WebhookAnswer, WebhookSendFailure>, _ context: ChannelHandlerContext) {
        if case .ended = state { return }
        state = .ended
        Self.close(context.channel)
        switch result {
        case .success(let answer): promise.succeed(answer)
        case .failure(let failure): promise.fail(failure)
        }
    }

    /// Closes the connection at once. Closed through the TLS handler, it would wait until the other end has closed it too. Call on the
    /// event loop of `channel`.
    static func close(_ channel: any Channel) {
        if let tls = try? channel.pipeline.syncOperations.context(handlerType: NIOSSLClientHandler.self) {
            tls.close(promise: nil)
        } else {
            channel.close(promise: nil)
        }
    }
}

/// Stops the reading of an answer that is longer than the limit. It stands before the decoder, so that it counts everything: what is
/// before a body, around it and behind it.
final class AnswerLimit: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let exchange: WebhookExchange
    private var left: Int

    init(_ exchange: WebhookExchange, maxBytes: Int) {
        self.exchange = exchange
        left = maxBytes
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        left -= unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
        if left <= 0 { exchange.reachedLimit(context) }
    }
}
