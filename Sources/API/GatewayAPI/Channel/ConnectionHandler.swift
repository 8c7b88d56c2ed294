import Exports
import HTTPTypes
import Memory
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOSSL

/// Handles what Hummingbird does not handle on a connection, directly before it in the pipeline:
///
/// - `Expect: 100-continue` is answered only when a route reads the body.
/// - An answer before the end of the upload says `Connection: close`. The rest of the upload is read and dropped for a short
///   time, so that the client can read the answer. Then the connection is closed.
/// - Bytes that are not an HTTP request are answered with a problem document, like every other error.
/// - An HTTP/1.0 client gets the plain bytes and their length, or an error that asks for HTTP/1.1. Then the connection ends.
/// - An answer to `HEAD` without a length is not ended like a chunked body.
/// - Waiting code is notified when the client has left, and when the server begins to stop.
/// - Little of an answer waits in memory for a slow client: when the socket is full, the writer waits.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// The outbound event of a route that is going to read the body.
    struct BodyWanted: Sendable {
        /// Whether the client waits for `100 Continue` before it sends the body.
        var isExpected: Bool
    }

    /// The outbound event that names the caller of a request with a long head. It fails with `MemoryRefusal` where there is no
    /// memory for that head.
    struct CallerKnown: Sendable {
        var caller: String
    }

    /// How long an upload is still read after its answer, because closing at once could destroy the answer in transit.
    private static let linger = TimeAmount.seconds(2)

    /// Only one piece of a download waits here, however small it is.
    private static let waitingBytes = ChannelOptions.Types.WriteBufferWaterMark(low: 2 << 10, high: 4 << 10)

    private let limits: RequestLimits
    private let presence = PeerPresence()
    private let onUnreadable: @Sendable (Int) -> Void
    private let onHandshakeFailure: @Sendable () -> Void
    private let direct: ((ConnectionHandler) -> DirectAnswerHandler)?
    private let bytes: RequestBytesHandler?
    private var exchange = Exchange()
    /// The version of the request whose head comes next.
    var version = HTTPVersion.http1_1
    /// Whether the answer under way was refused. Then its parts are dropped.
    private var isRefusing = false

    /// - Parameters:
    ///   - limits: The limits that are named in errors about long heads.
    ///   - onUnreadable: Called with the status of the answer to bytes that are no request.
    ///   - onHandshakeFailure: Called when a connection ended before the TLS handshake was complete.
    ///   - bytes: Counts the bytes of requests that the connection holds; not counted by default.
    ///   - direct: Makes the handler that answers some requests before they come here; none by default.
    init(
        limits: RequestLimits,
        onUnreadable: @escaping @Sendable (Int) -> Void,
        onHandshakeFailure: @escaping @Sendable () -> Void,
        bytes: RequestBytesHandler? = nil,
        direct: ((ConnectionHandler) -> DirectAnswerHandler)? = nil
    ) {
        self.limits = limits
        self.onUnreadable = onUnreadable
        self.onHandshakeFailure = onHandshakeFailure
        self.bytes = bytes
        self.direct = direct
    }

    /// Whether no request is under way here, so that a handler before this one may answer the next.
    var isIdle: Bool { exchange.isIdle }

    /// Whether the bytes that the connection holds could be charged to this caller, whose request is answered before this
    /// handler.
    func isCharged(to caller: String?) -> Bool {
        guard let bytes, let caller else { return true }
        return (try? bytes.charge(to: caller)) != nil
    }

    /// The presence of the client at the other end of a connection, or of a stream of HTTP/2; nil where the channel has no such handler,
    /// as in tests of routes.
    static func presence(on channel: any Channel) async -> PeerPresence? {
        try? await channel.eventLoop
            .submit {
                let pipeline = channel.pipeline.syncOperations
                if let connection = try? pipeline.handler(type: ConnectionHandler.self) { return connection.presence }
                return try pipeline.handler(type: StreamHandler.self).presence
            }
            .get()
    }

    /// Whether the bodies of all requests under way have come to their ends. False where that is not known at once: on a channel
    /// without such a handler, and to a caller who is not on its event loop.
    static func hasWholeBodies(on channel: any Channel) -> Bool {
        guard channel.eventLoop.inEventLoop else { return false }
        let pipeline = channel.pipeline.syncOperations
        if let connection = try? pipeline.handler(type: ConnectionHandler.self) {
            return connection.exchange.isBetweenRequests
        }
        return (try? pipeline.handler(type: StreamHandler.self).hasWholeBody) ?? false
    }

    func handlerAdded(context: ChannelHandlerContext) {
        // Fails on a channel that was closed in the meantime, which does not matter.
        try? context.channel.syncOptions?.setOption(.writeBufferWaterMark, value: Self.waitingBytes)
        // The codec is missing only in tests that use this handler alone.
        let pipeline = context.pipeline.syncOperations
        guard let codec = try? pipeline.handler(type: HTTP1ToHTTPServerCodec.self) else { return }
        let heads = RequestHeadHandler { [weak self] in self?.version = $0 }
        try? pipeline.addHandler(heads, position: .before(codec))
        if let bytes, let encoder = try? pipeline.handler(type: HTTPResponseEncoder.self) {
            bytes.heads = heads
            // Directly after the decoder.
            try? pipeline.addHandler(bytes, position: .after(encoder))
        }
        // After the check of the heads, and before the conversion to Hummingbird's types, which costs more than an answer.
        if let direct { try? pipeline.addHandler(direct(self), position: .before(codec)) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var data = data
        let action: Exchange.ReadAction
        switch unwrapInboundIn(data) {
        case .head(var request):
            let isOld = version.isOld
            action = exchange.readHead(isHead: request.method == .head, isOld: isOld)
            if isOld {
                // The length of an encoded answer is not known beforehand, and HTTP/1.0 needs it.
                request.headerFields[.acceptEncoding] = "identity"
                data = wrapInboundOut(.head(request))
            }
        case .body: action = exchange.readBody()
        case .end: action = exchange.readEnd()
        }
        guard action != .drop else { return }
        context.fireChannelRead(data)
        if action == .forwardAndClose { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case NIOSSLError.handshakeFailed = error { onHandshakeFailure() }
        // After an error of the connection itself, no answer can be sent.
        guard let failure = Exchange.Failure(of: error) else { return context.fireErrorCaught(error) }
        let (answerNow, inBody) = exchange.readFailure(failure)
        if inBody {
            context.fireErrorCaught(error)
        } else {
            bytes?.stop()
        }
        // If the connection was closed in the middle of a head, nobody can get the answer.
        if let answerNow, context.channel.isActive { answer(answerNow, context) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { presence.leave() }
        if event is ChannelShouldQuiesceEvent { presence.stop() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        presence.leave()
        context.fireChannelInactive()
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        if let known = event as? CallerKnown {
            return promise?.completeWith(Result { try bytes?.charge(to: known.caller) ?? () }) ?? ()
        }
        guard let wanted = event as? BodyWanted else {
            return context.triggerUserOutboundEvent(event, promise: promise)
        }
        bytes?.wantBody()
        guard wanted.isExpected else {
            promise?.succeed()
            return
        }
        context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: promise)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isRefusing else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(var response):
            let hasLength = response.headerFields[.contentLength] != nil || [204, 304].contains(response.status.code)
            let action = exchange.writeHead(hasLength: hasLength)
            guard !action.isRefused else {
                isRefusing = true
                promise?.fail(ChannelError.ioOnClosedChannel)
                return answer(.needsHTTP11, context)
            }
            if action.closes { response.headerFields[.connection] = "close" }
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
        let (answer, body) = failure.answer(limits)
        var head = answer
        head.headerFields[.connection] = "close"
        if failure == .needsHTTP11 {
            head.headerFields[.upgrade] = "HTTP/1.1"
            head.headerFields[.connection] = "close, upgrade"
        }
        let sent = context.eventLoop.makePromise(of: Void.self)
        if isRefusing {
            // Closing the channel makes the code fail that still writes the refused answer.
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            sent.futureResult.whenComplete { _ in bound.value.close(promise: nil) }
        } else {
            closeAfter(sent.futureResult, context)
        }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: sent)
        if !isRefusing { onUnreadable(Int(head.status.code)) }
    }

    /// Closes the connection's output, and its input when the client has had time to read.
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
