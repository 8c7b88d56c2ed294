import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2

/// Resets a stream of HTTP/2 whose client takes the answer too slowly, or not at all, while it takes other streams.
///
/// An answer of a few bytes counts too: where the window of its stream stays closed, the stream would otherwise be open for ever, and
/// keep the place of another.
///
/// A client says what it has read in steps, often of half its window, which may be megabytes. So its rate is averaged over ten times
/// as long as that of a connection, which `SlowReaderHandler` watches.
final class SlowStreamHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private static let longer = 10

    private var pace: ReaderPace
    /// The bytes that were written and have not left the process.
    private var waiting = 0
    private var check: Scheduled<Void>?
    private let onCut: @Sendable () -> Void

    /// - Parameters:
    ///   - rate: The lowest rate in bytes a second. With 0, a client only has to read anything at all.
    ///   - window: The time over which the rate of a connection is averaged.
    ///   - onCut: Called when a stream is reset because its client is too slow.
    init(rate: Int, window: TimeAmount, onCut: @escaping @Sendable () -> Void) {
        pace = ReaderPace(rate: rate, window: window * Self.longer)
        self.onCut = onCut
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        check?.cancel()
        check = nil
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .body(let bytes) = unwrapOutboundIn(data), bytes.readableBytes > 0 else {
            return context.write(data, promise: promise)
        }
        let count = bytes.readableBytes
        pace.willWrite(count, isUpToDate: waiting == 0)
        waiting += count
        pace.fellBehind(waiting: waiting, at: context.eventLoop.now)
        if check == nil { scheduleCheck(context) }
        let sent = promise ?? context.eventLoop.makePromise()
        sent.futureResult.assumeIsolated().whenComplete { _ in self.waiting -= count }
        context.write(data, promise: sent)
    }

    private func scheduleCheck(_ context: ChannelHandlerContext) {
        guard let time = pace.nextCheck else { return }
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        check = context.eventLoop.scheduleTask(deadline: time) {
            let (handler, context) = bound.value
            handler.check = nil
            if handler.pace.isTooSlow(waiting: handler.waiting, at: context.eventLoop.now) {
                handler.onCut()
                // Not `CANCEL`, as a close alone would say: some proxies take it for their client's own wish.
                context.triggerUserOutboundEvent(
                    NIOHTTP2FramePayloadToHTTPEvent.reset(code: .internalError),
                    promise: nil
                )
                context.close(promise: nil)
            } else {
                handler.scheduleCheck(context)
            }
        }
    }
}

@available(*, unavailable)
extension SlowStreamHandler: Sendable {}
