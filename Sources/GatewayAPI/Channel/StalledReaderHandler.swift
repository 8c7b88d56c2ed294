import NIOCore
import NIOHTTPTypes

/// Closes a connection whose client takes nothing of the answer that is waiting for it.
///
/// Hummingbird's idle timeout looks at what is read; a client that asks for a file and then sits there would hold its
/// download, and the upstream's, for ever. A slow client is let be: any byte that it takes counts.
final class StalledReaderHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private let timeout: TimeAmount
    private var check: Scheduled<Void>?

    /// - Parameter timeout: How long a client may take nothing.
    init(timeout: TimeAmount) {
        self.timeout = timeout
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        check?.cancel()
        check = nil
        if !context.channel.isWritable { schedule(context, waiting: Self.waiting(context)) }
        context.fireChannelWritabilityChanged()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        check?.cancel()
        check = nil
    }

    /// While the channel is not writable nothing is added, so that fewer bytes waiting means bytes taken.
    private func schedule(_ context: ChannelHandlerContext, waiting: Int) {
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        check = context.eventLoop.scheduleTask(in: timeout) {
            let (handler, context) = bound.value
            handler.check = nil
            let now = Self.waiting(context)
            if now < waiting {
                handler.schedule(context, waiting: now)
            } else {
                context.close(promise: nil)
            }
        }
    }

    private static func waiting(_ context: ChannelHandlerContext) -> Int {
        (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }
}

@available(*, unavailable)
extension StalledReaderHandler: Sendable {}
