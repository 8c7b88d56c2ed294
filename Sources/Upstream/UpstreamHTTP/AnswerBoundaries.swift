import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Stands behind the decoder of a connection, and tells `ResponseFraming` where a request begins and where its answer ends.
///
/// It passes the end of an answer on when every byte that was read with it is decoded. AsyncHTTPClient gives the connection to a
/// waiting call as soon as it sees the end, in the middle of the decoder's work: what follows the end, such as the beginning of
/// another head, would belong to that call's answer. A connection that brought such bytes carries no further call (RFC 9112, 6.3 and
/// 9.2).
///
/// Bytes that are read when the next call is already under way cannot be told from its answer.
final class AnswerBoundaries: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private let framing: ResponseFraming
    /// The end of an answer, until the read is decoded.
    private var end: HTTPClientResponsePart?
    /// Whether the connection has failed, such as by bytes after the end of an answer.
    private var isSpent = false

    init(_ framing: ResponseFraming) { self.framing = framing }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .head = unwrapOutboundIn(data) {
            guard !isSpent else {
                promise?.fail(ChannelError.ioOnClosedChannel)
                context.fireErrorCaught(NeverSent(cause: FramingFault.bytesAfterTheEnd))
                return context.close(promise: nil)
            }
            framing.requestBegan()
        }
        context.write(data, promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        guard case .end = part else { return context.fireChannelRead(data) }
        framing.answerEnded()
        end = part
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        passEnd(context)
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        isSpent = true
        passEnd(context)
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        passEnd(context)
        context.fireChannelInactive()
    }

    private func passEnd(_ context: ChannelHandlerContext) {
        guard let part = end else { return }
        end = nil
        context.fireChannelRead(wrapInboundOut(part))
    }
}
