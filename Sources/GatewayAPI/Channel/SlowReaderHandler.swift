import NIOCore
import NIOHTTPTypes

/// Closes a connection whose client takes the answer that is waiting for it too slowly, or not at all.
///
/// Hummingbird's idle timeout looks at what is read; a client that asks for a file and then sits there would hold its
/// download, and the upstream's, for ever. How slow is too slow is said by `ReaderPace`.
///
/// It also keeps little waiting in the kernel: what was written is what the client has taken, but for some tens of
/// kilobytes, and many clients share little of the machine's memory.
final class SlowReaderHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private var pace: ReaderPace
    private var check: Scheduled<Void>?
    private let onCut: @Sendable () -> Void

    /// - Parameter onCut: Told when a connection is closed for its client's slowness.
    init(pace: ReaderPace, onCut: @escaping @Sendable () -> Void) {
        self.pace = pace
        self.onCut = onCut
    }

    func handlerAdded(context: ChannelHandlerContext) {
        #if os(Linux)
        // Not every channel is a socket: those of tests are none.
        try? context.channel.syncOptions?.setOption(.notSentLowWaterMark, value: 128 << 10)
        #endif
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        check?.cancel()
        check = nil
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .body(let bytes) = unwrapOutboundIn(data) {
            pace.willWrite(bytes.readableBytes, waiting: Self.waiting(context))
        }
        context.write(data, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if !context.channel.isWritable {
            pace.fellBehind(waiting: Self.waiting(context), at: context.eventLoop.now)
            if check == nil { scheduleCheck(context) }
        }
        context.fireChannelWritabilityChanged()
    }

    private func scheduleCheck(_ context: ChannelHandlerContext) {
        guard let time = pace.nextCheck else { return }
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        check = context.eventLoop.scheduleTask(deadline: time) {
            let (handler, context) = bound.value
            handler.check = nil
            if handler.pace.isTooSlow(waiting: Self.waiting(context), at: context.eventLoop.now) {
                handler.onCut()
                context.close(promise: nil)
            } else {
                handler.scheduleCheck(context)
            }
        }
    }

    private static func waiting(_ context: ChannelHandlerContext) -> Int {
        (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }
}

@available(*, unavailable)
extension SlowReaderHandler: Sendable {}

extension ChannelOption where Self == ChannelOptions.Types.SocketOption {
    /// `TCP_NOTSENT_LOWAT` of Linux (tcp(7)): the kernel takes no more bytes while as many are not yet sent. What was sent
    /// and not acknowledged does not count, so that long fat lines are filled all the same.
    fileprivate static var notSentLowWaterMark: Self { .init(level: .tcp, name: .init(rawValue: 25)) }
}
