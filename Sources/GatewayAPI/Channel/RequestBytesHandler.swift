import Memory
import NIOCore

/// Counts what a connection holds of requests, reserves memory for what is much, and reads no further where enough waits.
///
/// Just below the decoder. What comes whole and is answered at once is never reserved: after each round of reads, a connection that
/// holds little is done with one comparison.
final class RequestBytesHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    /// The most that is read at once. Of a request that has ended, nothing is counted of the head that begins in the same piece:
    /// pieces are short.
    private static let buffer = AdaptiveRecvByteBufferAllocator(minimum: 1 << 10, initial: 2 << 10, maximum: 16 << 10)
    private static let piece = RequestBytes.allowance

    /// Sees what the decoder makes of the bytes.
    var heads: RequestHeadHandler?
    private let idle: IdleConnectionHandler
    private let room: UnfinishedHeads
    private let displace: @Sendable (any Channel) -> Void

    private var context: ChannelHandlerContext?
    private var bytes = RequestBytes()
    private var reservation: MemoryReservation?
    private var isStranger = false
    private var isReadWanted = false
    private var isSettling = false
    /// There was no memory: nothing that comes is looked at any more.
    private var isOver = false

    /// - Parameters:
    ///   - idle: Knows whether a request is being answered.
    ///   - room: Where memory is reserved.
    ///   - displace: Closes a connection whose head does not end, when others need its memory.
    init(idle: IdleConnectionHandler, room: UnfinishedHeads, displace: @escaping @Sendable (any Channel) -> Void) {
        self.idle = idle
        self.room = room
        self.displace = displace
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let options = context.channel.syncOptions
        try? options?.setOption(.recvAllocator, value: Self.buffer)
        // After each of them it is looked at how much there is.
        try? options?.setOption(.maxMessagesPerRead, value: 1)
        idle.onEnded = { [weak self] in self?.answerEnded() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        letGo(context)
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        let count = buffer.readableBytes
        guard count > Self.piece else { return pass(data, count, context) }
        while let piece = buffer.readSlice(length: min(Self.piece, buffer.readableBytes)), piece.readableBytes > 0 {
            pass(wrapInboundOut(piece), piece.readableBytes, context)
        }
    }

    private func pass(_ piece: NIOAny, _ count: Int, _ context: ChannelHandlerContext) {
        guard !isOver else { return }
        heads?.seen = .init()
        context.fireChannelRead(piece)
        bytes.read(count, heads?.seen ?? .init(), isBusy: idle.isBusy)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if bytes.charge > 0 || reservation != nil { charge(context) }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        letGo(context)
        context.fireChannelInactive()
    }

    func read(context: ChannelHandlerContext) {
        guard bytes.isFull, !isOver else { return context.read() }
        isReadWanted = true
    }

    /// A route reads the body, and counts it.
    func wantBody() {
        bytes.wantBody()
        if let context { settle(context) }
    }

    private func answerEnded() {
        guard reservation != nil || isReadWanted else { return bytes.ended(isBusy: idle.isBusy) }
        guard !isSettling, let context else { return }
        // What was sent behind it is looked at first.
        isSettling = true
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.execute {
            let (handler, context) = bound.value
            handler.isSettling = false
            handler.bytes.ended(isBusy: handler.idle.isBusy)
            if handler.context != nil { handler.settle(context) }
        }
    }

    private func settle(_ context: ChannelHandlerContext) {
        if bytes.charge > 0 || reservation != nil { charge(context) }
        guard isReadWanted, !bytes.isFull else { return }
        isReadWanted = false
        context.read()
    }

    /// Reserves what is held now.
    private func charge(_ context: ChannelHandlerContext) {
        guard !isOver else { return }
        let wanted = bytes.charge
        guard wanted > 0 else { return letGo(context) }
        if reservation?.bytes != wanted {
            do throws(MemoryRefusal) {
                reservation = try room.reserve(wanted, reservation, for: context.channel)
            } catch {
                isOver = true
                return context.fireErrorCaught(error)
            }
        }
        guard bytes.isStranger != isStranger, let reservation else { return }
        isStranger = bytes.isStranger
        if isStranger {
            room.began(context.channel, reservation, displace: displace)
        } else {
            room.ended(context.channel)
        }
    }

    private func letGo(_ context: ChannelHandlerContext) {
        if isStranger { room.ended(context.channel) }
        isStranger = false
        reservation?.release()
        reservation = nil
    }
}

@available(*, unavailable)
extension RequestBytesHandler: Sendable {}
