import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Fails a call with `HTTPClientError.readTimeout` when the upstream is silent for too long.
///
/// Only the time in which the gateway wants to read counts. AsyncHTTPClient's own timeout also counts the time in which a slow client
/// makes the upstream wait, and would break off correct downloads.
final class SilenceTimeout: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private let limit: TimeAmount
    /// Whether a request has begun and its answer has not ended. Between calls, a connection may be silent.
    private var isInCall = false
    /// Since when the gateway waits for the upstream; nil while it does not want to read.
    private var waitingSince: NIODeadline?
    private var timer: Scheduled<Void>?

    init(limit: TimeAmount) { self.limit = limit }

    /// Adds it after the decoder of a connection of the HTTP client. Call on the event loop of `channel`.
    static func add(to channel: any Channel, limit: TimeAmount) throws {
        let pipeline = channel.pipeline.syncOperations
        let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
        try pipeline.addHandler(SilenceTimeout(limit: limit), position: .after(decoder))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        isInCall = true
        // The upstream cannot answer before it has the whole request, so the time begins again with each part that is sent.
        waitingSince = context.eventLoop.now
        if timer == nil { watch(context, until: context.eventLoop.now + limit) }
        context.write(data, promise: promise)
    }

    func read(context: ChannelHandlerContext) {
        if waitingSince == nil { waitingSince = context.eventLoop.now }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        waitingSince = nil
        if case .end = unwrapInboundIn(data) { isInCall = false }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    private func watch(_ context: ChannelHandlerContext, until deadline: NIODeadline) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.timeIsUp(context) }
    }

    private func timeIsUp(_ context: ChannelHandlerContext) {
        timer = nil
        guard isInCall else { return }
        let now = context.eventLoop.now
        let deadline = (waitingSince ?? now) + limit
        guard deadline <= now else { return watch(context, until: deadline) }
        isInCall = false
        context.fireErrorCaught(HTTPClientError.readTimeout)
    }

    private func stop() {
        timer?.cancel()
        timer = nil
    }
}
