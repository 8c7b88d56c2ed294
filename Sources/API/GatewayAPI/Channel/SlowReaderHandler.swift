import NIOCore
import NIOHTTPTypes

#if canImport(Glibc)
import Glibc
#endif

/// Closes a connection whose client reads the answer that is waiting for it too slowly, or not at all.
///
/// The idle timeout only watches what the client sends. A client that requests a file and then reads nothing would otherwise hold
/// its download, and the upstream's connection, without end. `ReaderPace` decides what is too slow.
final class SlowReaderHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private var pace: ReaderPace
    private var check: Scheduled<Void>?
    private var context: ChannelHandlerContext?
    /// Whether it has closed the connection.
    private(set) var hasCut = false
    private let onCut: @Sendable () -> Void

    /// - Parameter onCut: Called when a connection is closed because its client is too slow.
    init(pace: ReaderPace, onCut: @escaping @Sendable () -> Void) {
        self.pace = pace
        self.onCut = onCut
    }

    /// Bytes of an answer were written without passing this handler.
    func wroteBeside(_ count: Int) {
        // Needed only while the client is behind.
        pace.willWrite(count, isUpToDate: check != nil && context.map(Self.queued) == 0)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        check?.cancel()
        check = nil
        self.context = nil
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .body(let bytes) = unwrapOutboundIn(data) {
            pace.willWrite(bytes.readableBytes, isUpToDate: Self.queued(context) == 0)
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
                handler.hasCut = true
                handler.onCut()
                context.close(promise: nil)
            } else {
                handler.scheduleCheck(context)
            }
        }
    }

    /// The bytes that the kernel has not taken.
    static func queued(_ context: ChannelHandlerContext) -> Int {
        (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    /// The bytes that the client's system has not acknowledged, including those in the kernel's queue. The queue may hold
    /// megabytes, and takes more only when a third of it is free: without it, a slow client would seem to read nothing for
    /// minutes.
    private static func waiting(_ context: ChannelHandlerContext) -> Int {
        var inKernel: CInt = 0
        #if canImport(Glibc)
        // SIOCOUTQ (tcp(7)) has the same number. Fails on channels that are not sockets, as in tests.
        try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { socket in
            _ = ioctl(socket, UInt(TIOCOUTQ), &inKernel)
        }
        #endif
        return queued(context) + Int(inKernel)
    }
}

@available(*, unavailable)
extension SlowReaderHandler: Sendable {}
