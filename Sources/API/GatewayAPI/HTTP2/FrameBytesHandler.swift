import Memory
import NIOCore
import NIOHTTP2

/// The bytes of a connection of HTTP/2, directly below its frames: reserves memory for a head that has not ended, watches whether the
/// client takes what is sent, and closes the connection behind the last byte.
///
/// Bytes that wait for one stream are not here: NIO passes on only what the socket takes. See `SlowStreamHandler`.
final class FrameBytesHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private static let buffer = AdaptiveRecvByteBufferAllocator(minimum: 1 << 10, initial: 2 << 10, maximum: 16 << 10)
    /// What waits here of all streams together.
    private static let waitingBytes = ChannelOptions.Types.WriteBufferWaterMark(low: 16 << 10, high: 32 << 10)
    /// How often a connection that is closing is asked whether everything was sent.
    private static let step = TimeAmount.milliseconds(20)
    /// How long what the client still sends is read and dropped: closing at once could destroy what is on its way to it.
    private static let linger = TimeAmount.seconds(2)

    private let watch: ConnectionWatch
    private let slow: SlowReaderHandler
    private let memory: UnfinishedHeads
    private let table: ConnectionTable
    private var meter = FrameMeter()
    private var settings = EarlyAcknowledgement()
    private var reservation: MemoryReservation?
    /// Whether other connections may have the reservation.
    private var isForOthers = false
    private var isClosing = false

    /// - Parameters:
    ///   - watch: Knows whether streams are open, and ends the connection.
    ///   - slow: Decides whether the client is too slow. It is not in the pipeline.
    ///   - memory: The memory to reserve from.
    ///   - table: Closes a connection whose head does not end, when others need its memory.
    init(watch: ConnectionWatch, slow: SlowReaderHandler, memory: UnfinishedHeads, table: ConnectionTable) {
        (self.watch, self.slow, self.memory, self.table) = (watch, slow, memory, table)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        slow.handlerAdded(context: context)
        watch.writeBelow = { [slow] bytes in
            slow.wroteBeside(bytes.readableBytes)
            context.write(NIOAny(IOData.byteBuffer(bytes)), promise: nil)
        }
        // Fails on a channel that was closed in the meantime, which does not matter.
        let options = context.channel.syncOptions
        try? options?.setOption(.recvAllocator, value: Self.buffer)
        try? options?.setOption(.maxMessagesPerRead, value: 1)
        try? options?.setOption(.writeBufferWaterMark, value: Self.waitingBytes)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        slow.handlerRemoved(context: context)
        watch.writeBelow = nil
        letGo(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard !isClosing, watch.received(meter.read(bytes)) else { return }
        guard !settings.isOver else { return context.fireChannelRead(data) }
        let passed = settings.passedOn(bytes)
        if settings.isOver { watch.acknowledged() }
        context.fireChannelRead(wrapInboundOut(passed))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        watch.holdsHead(meter.unfinished > 0)
        if meter.unfinished > RequestBytes.allowance || reservation != nil { settle(context) }
        context.fireChannelReadComplete()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let frame = unwrapOutboundIn(data)
        slow.wroteBeside(frame.readableBytes)
        context.write(wrapOutboundOut(watch.corrected(frame)), promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        // Passes the event on.
        slow.channelWritabilityChanged(context: context)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .all, !watch.isAborting, !slow.hasCut else { return context.close(mode: mode, promise: promise) }
        if let promise { context.channel.closeFuture.cascade(to: promise) }
        guard !isClosing else { return }
        isClosing = true
        closeWhenSent(context)
    }

    /// Closing a socket drops what it has not taken. A client that is too slow is cut off meanwhile.
    private func closeWhenSent(_ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        guard SlowReaderHandler.queued(context) == 0 else {
            context.eventLoop.scheduleTask(in: Self.step) { bound.value.handler.closeWhenSent(bound.value.context) }
            return
        }
        context.close(mode: .output, promise: nil)
        context.eventLoop.scheduleTask(in: Self.linger) { bound.value.context.close(promise: nil) }
    }

    /// Reserves what is held of a head that has not ended.
    private func settle(_ context: ChannelHandlerContext) {
        guard meter.unfinished > RequestBytes.allowance else { return letGo(context) }
        let wanted = meter.unfinished * RequestBytes.cost
        let isAlone = !watch.isBusy
        if reservation?.bytes != wanted {
            do throws(MemoryRefusal) {
                reservation = try memory.reserve(
                    wanted,
                    reservation,
                    for: context.channel,
                    upTo: isAlone ? nil : memory.half
                )
            } catch {
                // Requests that are being answered are never ended for memory. What is held here beside them is limited by NIO, to six
                // frames of 16 KiB.
                guard isAlone else { return }
                memory.count(error)
                return watch.fail(.enhanceYourCalm)
            }
        }
        guard isAlone != isForOthers, let reservation else { return }
        isForOthers = isAlone
        guard isAlone else { return memory.ended(context.channel) }
        let bound = NIOLoopBound((handler: self, context: context, reservation), eventLoop: context.eventLoop)
        let loop = context.eventLoop
        memory.began(context.channel, reservation) {
            loop.execute {
                let (handler, context, reservation) = bound.value
                handler.displaced(reservation, context)
            }
        }
    }

    /// The reservation was given to another connection. If the head has ended meanwhile, its request is answered.
    private func displaced(_ lost: MemoryReservation, _ context: ChannelHandlerContext) {
        guard reservation === lost else { return }
        reservation = nil
        isForOthers = false
        if meter.unfinished > 0, !watch.isBusy { table.close(context.channel) }
    }

    private func letGo(_ context: ChannelHandlerContext) {
        guard let reservation else { return }
        if isForOthers { memory.ended(context.channel) }
        isForOthers = false
        reservation.release()
        self.reservation = nil
    }
}

@available(*, unavailable)
extension FrameBytesHandler: Sendable {}
