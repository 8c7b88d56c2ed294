import Memory
import NIOCore
import NIOHTTP1

/// Counts the bytes of requests that a connection holds, reserves memory if they are many, and stops reading when enough of them
/// wait.
///
/// It is directly after the decoder. Nothing is reserved for a request that comes at once and is answered at once: after each round
/// of reads, a connection that holds few bytes costs one comparison.
final class RequestBytesHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    /// The most bytes of one read. A head that begins in the same piece as the end of a request is not counted: pieces are short.
    private static let buffer = AdaptiveRecvByteBufferAllocator(minimum: 1 << 10, initial: 2 << 10, maximum: 16 << 10)
    private static let piece = RequestBytes.allowance

    /// Sees the parts that the decoder makes of the bytes.
    var heads: RequestHeadHandler?
    private let idle: IdleConnectionHandler
    private let memory: UnfinishedHeads
    private let table: ConnectionTable

    private var context: ChannelHandlerContext?
    private var bytes = RequestBytes()
    private var reservation: MemoryReservation?
    private var isHeadAlone = false
    private var isReadWanted = false
    private var isSettling = false
    /// Whether reading has ended: there was no memory, or the bytes are not a request.
    private var isOver = false

    /// - Parameters:
    ///   - idle: Knows whether a request is being answered.
    ///   - memory: The memory to reserve from.
    ///   - table: Closes a connection whose head does not end, when others need its memory. Notified of long heads.
    init(idle: IdleConnectionHandler, memory: UnfinishedHeads, table: ConnectionTable) {
        self.idle = idle
        self.memory = memory
        self.table = table
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let options = context.channel.syncOptions
        try? options?.setOption(.recvAllocator, value: Self.buffer)
        // One read at a time, so that the bytes are counted after each.
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
        guard heads?.isOver != true else { return stop() }
        if !isOver { bytes.read(count, heads?.seen ?? .init(), isBusy: idle.isBusy) }
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

    /// A route reads the body of the request that is being answered, and counts it.
    func wantBody() {
        // If more than one request is under way, the bytes that come belong to a later one.
        guard idle.underWay <= 1, let context else { return }
        bytes.wantBody()
        settle(context)
    }

    /// Charges the bytes that are held to the caller of the request that is being answered.
    ///
    /// Throws `MemoryRefusal` where there is no memory for its head.
    func charge(to caller: String) throws(MemoryRefusal) {
        guard let context, !isOver, bytes.charge > 0 else { return }
        // The reservation may have been given to another connection before the head ended.
        if reservation?.bytes == 0 { (reservation, isHeadAlone) = (nil, false) }
        do throws(MemoryRefusal) {
            if bytes.isShort || reservation == nil {
                reservation = try memory.reserve(bytes.charge, reservation, for: context.channel)
                bytes.reserved(all: true)
            }
            try reservation?.assign(to: caller)
        } catch {
            guard error != .released else { return settle(context) }
            memory.count(error)
            throw error
        }
        settle(context)
    }

    /// Drops everything that comes from now on, because it is not a request.
    func stop() {
        isOver = true
        bytes.stop(isBusy: idle.isBusy)
        if let context { settle(context) }
    }

    private func answerEnded() {
        guard reservation != nil || isReadWanted else { return bytes.ended(isBusy: idle.isBusy) }
        guard !isSettling, let context else { return }
        // Done in a later turn of the event loop, after the bytes that have already come were read.
        isSettling = true
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        context.eventLoop.execute {
            let (handler, context) = bound.value
            handler.isSettling = false
            handler.bytes.ended(isBusy: handler.idle.isBusy)
            guard handler.context != nil else { return }
            // The remaining bytes belong to a caller who is not known yet.
            if !handler.idle.isBusy { handler.letGo(context) }
            handler.settle(context)
        }
    }

    private func settle(_ context: ChannelHandlerContext) {
        if bytes.charge > 0 || reservation != nil { charge(context) }
        guard isReadWanted, isOver || !bytes.isFull else { return }
        isReadWanted = false
        context.read()
    }

    /// Reserves what is held now.
    private func charge(_ context: ChannelHandlerContext) {
        bytes.update(isBusy: idle.isBusy)
        guard !isOver || !bytes.isHeadAlone else { return }
        if bytes.isTrailerTooLong, !isOver {
            stop()
            return context.fireErrorCaught(HTTPParserError.headerOverflow)
        }
        let wanted = bytes.charge
        guard wanted > 0 else { return letGo(context) }
        if reservation?.bytes != wanted {
            do throws(MemoryRefusal) {
                reservation = try memory.reserve(
                    wanted,
                    reservation,
                    for: context.channel,
                    upTo: bytes.isHeadAlone ? nil : memory.half
                )
            } catch {
                return refused(error, context)
            }
        }
        bytes.reserved(all: true)
        guard bytes.isHeadAlone != isHeadAlone, let reservation else { return }
        isHeadAlone = bytes.isHeadAlone
        guard isHeadAlone else { return memory.ended(context.channel) }
        // Told before the request begins, because the responder asks for it at once.
        table.holdsHead(of: context.channel, true)
        let bound = NIOLoopBound((handler: self, context: context, reservation), eventLoop: context.eventLoop)
        let loop = context.eventLoop
        memory.began(context.channel, reservation) {
            loop.execute {
                let (handler, context, reservation) = bound.value
                handler.displaced(reservation, context)
            }
        }
    }

    private func refused(_ refusal: MemoryRefusal, _ context: ChannelHandlerContext) {
        if refusal == .released, let reservation { return displaced(reservation, context) }
        guard bytes.isHeadAlone else {
            // The request is under way, and is answered although there is no memory for more bytes.
            if isHeadAlone { memory.ended(context.channel) }
            isHeadAlone = false
            return bytes.reserved(all: false)
        }
        isOver = true
        bytes.stop(isBusy: false)
        letGo(context)
        memory.count(refusal)
        context.fireErrorCaught(refusal)
    }

    /// The reservation was given to another connection. If the head has ended meanwhile, its request is still answered.
    private func displaced(_ lost: MemoryReservation, _ context: ChannelHandlerContext) {
        guard reservation === lost, self.context != nil else { return }
        reservation = nil
        isHeadAlone = false
        bytes.update(isBusy: idle.isBusy)
        guard bytes.isHeadAlone else { return settle(context) }
        isOver = true
        table.close(context.channel)
    }

    private func letGo(_ context: ChannelHandlerContext) {
        guard let reservation else { return }
        if isHeadAlone { memory.ended(context.channel) }
        isHeadAlone = false
        table.holdsHead(of: context.channel, false)
        reservation.release()
        self.reservation = nil
    }
}

@available(*, unavailable)
extension RequestBytesHandler: Sendable {}
