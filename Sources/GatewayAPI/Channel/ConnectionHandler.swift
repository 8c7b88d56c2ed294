import Exports
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import SystemCrypto

/// What Hummingbird leaves to do on a connection, just below it:
///
/// - `Expect: 100-continue` is answered when, and only when, a route wants the body.
/// - An answer that comes before the upload has ended says `Connection: close`; what still comes in is read and dropped
///   for a short while, so that the client gets to read the answer, and then the connection is closed.
/// - Bytes that are no HTTP request are answered with a problem document, as everything else.
/// - An answer to `HEAD` without a length is not ended like a chunked body.
/// - Those who wait are told when the client has left.
/// - Little of an answer waits in memory for a slow client: what the socket does not take holds the writer up.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// The outbound event by which a route says that it is going to read the body.
    struct BodyWanted: Sendable {}

    /// How long an upload that was answered is still read, so that closing does not destroy the answer on its way.
    private static let linger = TimeAmount.seconds(2)

    /// One piece of a download waits here, however small it is, and not a second one.
    private static let waitingBytes = ChannelOptions.Types.WriteBufferWaterMark(low: 2 << 10, high: 4 << 10)

    private let presence = PeerPresence()
    private let onUnreadable: @Sendable (Int) -> Void
    private var exchange = Exchange()

    /// - Parameter onUnreadable: Told the status with which bytes that are no request were answered.
    init(onUnreadable: @escaping @Sendable (Int) -> Void) {
        self.onUnreadable = onUnreadable
    }

    /// The presence of the client at the other end; nil where the channel has no such handler, as in tests of routes.
    static func presence(on channel: any Channel) async -> PeerPresence? {
        try? await channel.eventLoop
            .submit {
                try channel.pipeline.syncOperations.handler(type: ConnectionHandler.self).presence
            }
            .get()
    }

    func handlerAdded(context: ChannelHandlerContext) {
        // A channel that is closed by now has nothing to wait for.
        try? context.channel.syncOptions?.setOption(.writeBufferWaterMark, value: Self.waitingBytes)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let action =
            switch unwrapInboundIn(data) {
            case .head(let request): exchange.readHead(isHead: request.method == .head)
            case .body: exchange.readBody()
            case .end: exchange.readEnd()
            }
        guard action != .drop else { return }
        context.fireChannelRead(data)
        if action == .forwardAndClose { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let failure: Exchange.Failure
        switch error {
        case HTTPParserError.headerOverflow: failure = .headerTooLarge
        case is HTTPParserError: failure = .malformed
        // An error of the connection itself, with which nothing can be said any more.
        case is IOError, is ChannelError: return context.fireErrorCaught(error)
        // A head that HTTP's grammar takes and the codec does not.
        default: failure = .malformed
        }
        let (answerNow, inBody) = exchange.readFailure(failure)
        if inBody { context.fireErrorCaught(error) }
        if let answerNow { answer(answerNow, context) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { presence.leave() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        presence.leave()
        context.fireChannelInactive()
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is BodyWanted else { return context.triggerUserOutboundEvent(event, promise: promise) }
        context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: promise)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var response):
            if exchange.writeHead() { response.headerFields[.connection] = "close" }
            context.write(wrapOutboundOut(.head(response)), promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            let action = exchange.writeEnd()
            let part = action.isHead ? wrapOutboundOut(.body(ByteBuffer())) : data
            guard action.closes else {
                context.write(part, promise: promise)
                if let failure = action.failure { answer(failure, context) }
                return
            }
            let sent = promise ?? context.eventLoop.makePromise()
            closeAfter(sent.futureResult, context)
            context.writeAndFlush(part, promise: sent)
        }
    }

    private func answer(_ failure: Exchange.Failure, _ context: ChannelHandlerContext) {
        var random = SystemRandom()
        let requestID = RequestID.make(using: &random)
        let error =
            switch failure {
            case .malformed: GatewayError(.malformedRequest, "The bytes sent are not an HTTP/1.1 request.")
            case .headerTooLarge: GatewayError(.headerFieldsTooLarge, "The header fields are far too large.")
            }
        let status = ProblemDocument.status(of: error.code)
        let body = ProblemDocument.bytes(of: error, status: Int(status.code), path: nil, requestID: requestID)
        let head = HTTPResponse(
            status: status,
            headerFields: [
                .contentType: MediaType.problem.rawValue, .contentLength: String(body.count), .cacheControl: "no-store",
                .connection: "close", .requestID: requestID,
            ]
        )
        let sent = context.eventLoop.makePromise(of: Void.self)
        closeAfter(sent.futureResult, context)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(ByteBuffer(bytes: body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: sent)
        onUnreadable(Int(status.code))
    }

    /// Ends our half of the connection, and the rest of it when the client has had time to read.
    private func closeAfter(_ sent: EventLoopFuture<Void>, _ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        sent.whenComplete { _ in
            bound.value.close(mode: .output, promise: nil)
            bound.value.eventLoop.scheduleTask(in: Self.linger) { bound.value.close(promise: nil) }
        }
    }
}

@available(*, unavailable)
extension ConnectionHandler: Sendable {}
