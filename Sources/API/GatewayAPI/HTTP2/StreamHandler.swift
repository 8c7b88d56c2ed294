import HTTPTypes
import Memory
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2

/// Handles what Hummingbird does not handle on a stream of HTTP/2, as `ConnectionHandler` does on a connection of HTTP/1.1:
///
/// - `Expect: 100-continue` is answered only when a route reads the body.
/// - A head that contradicts itself, and one for which there is no memory, is answered with a problem document.
/// - An answer that ends before the upload is whole; the rest of the upload is dropped for a short time, and then ended with
///   `NO_ERROR`.
/// - An answer that fails ends with `RST_STREAM`, never with the end of a whole one.
/// - Waiting code is notified when the client has left or reset the stream, and when the server begins to stop.
final class StreamHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// How long an upload is still read after its answer.
    private static let linger = TimeAmount.seconds(2)

    let presence = PeerPresence()
    private let connection: any Channel
    private let limits: RequestLimits
    /// The most bytes of a body that wait for their reader.
    private let window: Int
    private let memory: UnfinishedHeads
    private let table: ConnectionTable
    private let onUnreadable: @Sendable (Int) -> Void
    private var exchange = StreamExchange()
    private var reservation: MemoryReservation?
    private var isCounted = false

    /// - Parameters:
    ///   - connection: The channel of the connection.
    ///   - limits: The limits of heads.
    ///   - window: The bytes of a body that the client may send before anybody reads them.
    ///   - memory: The memory for long heads, and for bodies that wait.
    ///   - table: Notified of the connection's requests.
    ///   - isLeaving: Whether the server has begun to stop.
    ///   - onUnreadable: Called with the status of the answer to what is no request.
    init(
        connection: any Channel,
        limits: RequestLimits,
        window: Int,
        memory: UnfinishedHeads,
        table: ConnectionTable,
        isLeaving: Bool,
        onUnreadable: @escaping @Sendable (Int) -> Void
    ) {
        (self.connection, self.limits, self.window) = (connection, limits, window)
        (self.memory, self.table, self.onUnreadable) = (memory, table, onUnreadable)
        if isLeaving { presence.stop() }
    }

    /// Whether the body has come to its end.
    var hasWholeBody: Bool { !exchange.isReading }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard exchange.isPassedOn else {
            if case .end = unwrapInboundIn(data) { exchange.readEnd() }
            return
        }
        switch unwrapInboundIn(data) {
        case .head(var request):
            if let failure = StreamHead.refusal(of: &request, limits) ?? reserve(for: request, context) {
                return refuse(failure, context)
            }
            exchange.readHead()
            isCounted = true
            table.began(connection)
            context.fireChannelRead(wrapInboundOut(.head(request)))
        case .body:
            context.fireChannelRead(data)
        case .end(let trailers):
            exchange.readEnd()
            let bytes = trailers?.reduce(0) { $0 + RequestLimits.bytes(of: $1) } ?? 0
            guard bytes <= RequestBytes.readAhead, trailers?.count ?? 0 <= limits.maxHeaderFields else {
                // The reader of the body answers; where nobody reads it, nothing is lost.
                return context.fireErrorCaught(HTTPParserError.headerOverflow)
            }
            context.fireChannelRead(data)
        }
    }

    /// Reserves the memory of a long head, and of a body that may wait for its reader.
    private func reserve(for request: HTTPRequest, _ context: ChannelHandlerContext) -> Exchange.Failure? {
        let head = request.headerFields.reduce(request.path?.utf8.count ?? 0) { $0 + RequestLimits.bytes(of: $1) }
        // What waits of a body whose length is not told belongs to the cost of any stream.
        let body = request.headerFields[.contentLength].flatMap { Int($0) }.map { min($0, window) } ?? 0
        guard head > RequestBytes.allowance || body > RequestBytes.allowance else { return nil }
        do throws(MemoryRefusal) {
            reservation = try memory.reserve(head * RequestBytes.cost + body, nil, for: context.channel)
            table.holdsHead(of: context.channel, true)
            return nil
        } catch {
            memory.count(error)
            return .noMemory
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case is NIOHTTP2Errors.StreamClosed, is ChannelError, is IOError:
            presence.leave()
            context.fireErrorCaught(error)
        default:
            refuse(.malformedHead, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { presence.stop() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        presence.leave()
        ended(context)
        context.fireChannelInactive()
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        switch event {
        case let known as ConnectionHandler.CallerKnown:
            promise?.completeWith(Result { try reservation?.assign(to: known.caller) ?? () })
        case let wanted as ConnectionHandler.BodyWanted:
            guard wanted.isExpected, exchange.isReading else {
                promise?.succeed()
                return
            }
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: promise)
        default: context.triggerUserOutboundEvent(event, promise: promise)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !exchange.hasEnded else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(var response):
            StreamHead.clean(&response)
            context.write(wrapOutboundOut(.head(response)), promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            let lingers = exchange.writeEnd()
            let sent = promise ?? context.eventLoop.makePromise()
            let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
            sent.futureResult.whenComplete { result in
                let (handler, context) = bound.value
                switch result {
                case .success where lingers: handler.endUpload(context)
                case .success: break
                // Not sent, such as where it is shorter than its length: it must not look whole.
                case .failure: Self.reset(.internalError, context)
                }
            }
            context.write(data, promise: sent)
            ended(context)
        }
    }

    /// The one who closes the input is the task of a stream that was cancelled. What it writes last must still be sent, so the stream
    /// is not reset here as long as it is being answered.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .input, !exchange.hasEnded else { return context.close(mode: .all, promise: promise) }
        presence.leave()
        context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        promise?.succeed()
    }

    /// Ends what the client still sends, when it has had time to end it.
    private func endUpload(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.linger) { Self.reset(.noError, bound.value) }
    }

    /// Resets the stream; nothing happens where it has ended.
    private static func reset(_ code: NIOHTTP2.HTTP2ErrorCode, _ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        context.triggerUserOutboundEvent(NIOHTTP2FramePayloadToHTTPEvent.reset(code: code), promise: nil)
    }

    /// The request is answered, or never will be.
    private func ended(_ context: ChannelHandlerContext) {
        if isCounted {
            isCounted = false
            table.ended(connection)
        }
        guard let reservation else { return }
        table.holdsHead(of: context.channel, false)
        reservation.release()
        self.reservation = nil
    }

    private func refuse(_ failure: Exchange.Failure, _ context: ChannelHandlerContext) {
        switch exchange.refuse() {
        case .nothing: break
        case .breakOff: Self.reset(.internalError, context)
        case .answer:
            let (head, body) = failure.answer(limits)
            onUnreadable(Int(head.status.code))
            write(context: context, data: wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(body)), promise: nil)
            write(context: context, data: wrapOutboundOut(.end(nil)), promise: nil)
            context.flush()
        }
    }
}

@available(*, unavailable)
extension StreamHandler: Sendable {}
