import Exports
import Memory
import NIOCore
import NIOHTTP1

/// Answers on the event loop what `DirectAnswers` can answer, and passes everything else on.
///
/// It is placed before the codec that converts between NIO's and Hummingbird's requests and answers, and writes whole answers
/// without NIO's encoder: these two cost several times as much as an answer. The handlers that it bypasses are notified. It
/// answers only where no request is under way behind it, so that answers keep the order of their requests, and only as fast as
/// the client reads them.
///
/// A request that has to wait, for the ledger or for a change, is held here without a task. What the client sends meanwhile waits
/// too, and nothing more is read when it is more than `mostPending` parts.
final class DirectAnswerHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// A request that waits.
    struct Hold {
        var request: StatusRequest
        /// The head to pass on if the request cannot be answered here.
        var head: HTTPRequestHead
        /// The state that the client is to wait beyond; nil while the ledger is asked.
        var snapshot: ExportSnapshot?
        var timer: Scheduled<Void>?
        var watch: (any ExportWatch)?
        /// The memory for it, while it waits for a change.
        var memory: MemoryReservation?
        /// Its place among what waits for the caller, where that is limited.
        var place: WaitPlace?
    }

    enum Pending {
        case part(NIOAny)
        case event(Any)
        case error(any Error)
    }

    let answers: DirectAnswers
    let connection: ConnectionHandler
    private let slow: SlowReaderHandler
    let idle: IdleConnectionHandler
    let table: ConnectionTable
    /// The context where whole answers are written: no handler after it knows HTTP.
    var encoder: ChannelHandlerContext?
    /// A request that may be answered here, as soon as it has ended.
    private struct Opened {
        var head: HTTPRequestHead
        var target: DirectAnswers.Target
        var fields: KnownFields
        var body = ByteBuffer()

        /// Whether it has a body, which is short.
        var isCreation: Bool { if case .exports = target { true } else { false } }
    }

    private var opened: Opened?
    /// The last caller whose request could be answered here.
    var known: DirectAnswers.KnownCaller?
    var hold: Hold?
    /// The create request whose export is being stored.
    var creation: CreateRequest?
    /// Numbers the waits: a late event for one must not end another.
    var holdNumber = 0
    var pending = CircularBuffer<Pending>()
    private static let mostPending = 16
    var isReadWanted = false
    /// The client has closed its output, or the server is stopping: no request waits any more.
    var isLeaving = false
    /// Whether something was passed on since the last end of a round of reads.
    private var hasPassed = false
    /// The answers from here that the socket has not taken yet.
    private var unsent = 0
    private static let mostUnsent = 64
    /// The bytes written since the last flush. TLS keeps unflushed bytes, and does not report how many.
    private var unflushed = 0
    private static let mostUnflushed = 16 << 10
    /// When the table was last notified of the connection's requests.
    private var told: NIODeadline?
    /// A request that ends the connection was passed on: requests after it are not answered (RFC 9112, 9.6).
    private var hasPassedLast = false
    /// The close requests to carry out when these answers were sent. Nothing that comes in is read any more.
    private var closing: [(mode: CloseMode, promise: EventLoopPromise<Void>?)] = []

    /// - Parameters:
    ///   - connection: Knows which requests are under way behind this handler.
    ///   - slow: Notified of the bytes that were written.
    ///   - idle: Notified that the connection is in use.
    ///   - table: Notified that the connection is authenticated and, at most once a second, that it is in use.
    init(
        answers: DirectAnswers,
        connection: ConnectionHandler,
        slow: SlowReaderHandler,
        idle: IdleConnectionHandler,
        table: ConnectionTable
    ) {
        self.answers = answers
        self.connection = connection
        self.slow = slow
        self.idle = idle
        self.table = table
    }

    /// Whether a request waits here: what the client sends meanwhile waits, too.
    var isWaiting: Bool { hold != nil || creation != nil }

    func handlerAdded(context: ChannelHandlerContext) {
        encoder = try? context.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        encoder = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard closing.isEmpty else { return }
        guard !isWaiting else { return pending.append(.part(data)) }
        switch unwrapInboundIn(data) {
        case .head(let head):
            // HTTP/1.0 is not answered here.
            if encoder != nil, !hasPassedLast, connection.isIdle, head.version == .http1_1,
                let (target, fields) = DirectAnswers.target(of: head, KnownFields(head.headers))
            {
                opened = Opened(head: head, target: target, fields: fields)
            } else {
                passOn(head, context)
            }
        case .body(var part) where opened?.isCreation == true:
            opened?.body.writeBuffer(&part)
        case .body:
            passOn(context)
            pass(data, context)
        case .end(let trailers):
            if trailers == nil, let opened, isReady(context), answer(opened, context) { return }
            passOn(context)
            pass(data, context)
        }
    }

    /// Answers a request, or begins to; false where it is not answered here, and nothing has happened then.
    private func answer(_ opened: Opened, _ context: ChannelHandlerContext) -> Bool {
        let isOperation: Bool
        let id: ExportID
        switch opened.target {
        case .exports:
            guard create(opened.head, opened.fields, opened.body, context) else { return false }
            self.opened = nil
            return true
        case .export(let export): (id, isOperation) = (export, false)
        case .operation(let export): (id, isOperation) = (export, true)
        }
        let request = answers.request(
            opened.head,
            id,
            isOperation: isOperation,
            opened.fields,
            &known,
            from: context.remoteAddress
        )
        guard let request else { return false }
        self.opened = nil
        answer(request, opened.head, context)
        return true
    }

    /// Passes on what was not answered here.
    func passOn(_ context: ChannelHandlerContext) {
        guard let opened else { return }
        self.opened = nil
        passOn(opened.head, context)
        guard opened.body.readableBytes > 0 else { return }
        pass(wrapInboundOut(.body(opened.body)), context)
    }

    private func pass(_ part: NIOAny, _ context: ChannelHandlerContext) {
        hasPassed = true
        context.fireChannelRead(part)
    }

    private func passOn(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        if !head.isKeepAlive { hasPassedLast = true }
        // The request may have waited here while later ones were read, so the version is set again.
        connection.version = head.version
        pass(wrapInboundOut(.head(head)), context)
    }

    func passOn(whole head: HTTPRequestHead, body: ByteBuffer? = nil, _ context: ChannelHandlerContext) {
        passOn(head, context)
        if let body { pass(wrapInboundOut(.body(body)), context) }
        pass(wrapInboundOut(.end(nil)), context)
    }

    /// Whether the client reads fast enough for another answer.
    private func isReady(_ context: ChannelHandlerContext) -> Bool {
        if unflushed > Self.mostUnflushed || !context.channel.isWritable { flush() }
        return context.channel.isWritable && unsent < Self.mostUnsent
    }

    func flush() {
        guard unflushed > 0 else { return }
        unflushed = 0
        encoder?.flush()
    }

    private func answer(_ request: StatusRequest, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        if let refusal = request.refusal {
            return answerAtOnce(answers.answer(request, to: head.uri, with: refusal), context)
        }
        guard let snapshot = answers.inMemory(request) else { return find(request, head, context) }
        guard answers.isSmall(snapshot) else {
            answers.passesOn(request.entry)
            return passOn(whole: head, context)
        }
        guard isLeaving || !request.waits(for: snapshot) else {
            begin(Hold(request: request, head: head, snapshot: snapshot), context)
            return wait(beyond: snapshot, context)
        }
        answerAtOnce(answers.answer(request, with: snapshot), context)
    }

    /// Sends the answer to a request that did not wait.
    func answerAtOnce(_ answer: DirectAnswers.Answer, _ context: ChannelHandlerContext) {
        answers.began()
        send(answer, context)
        let now = context.eventLoop.now
        idle.answeredBeside(at: now)
        if told.map({ $0 + .seconds(1) <= now }) ?? true {
            told = now
            table.answered(context.channel)
        }
    }

    func send(_ answer: DirectAnswers.Answer, _ context: ChannelHandlerContext) {
        answers.sent(answer)
        // The client has left.
        guard let encoder else { return }
        let sent = context.eventLoop.makePromise(of: Void.self)
        unsent += 1
        sent.futureResult.assumeIsolated()
            .whenComplete { _ in
                self.unsent -= 1
                self.closeIfSent(context)
            }
        unflushed += answer.bytes.readableBytes
        slow.wroteBeside(answer.bytes.readableBytes)
        encoder.write(NIOAny(answer.bytes), promise: sent)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Only a body that comes with its head is read here.
        passOn(context)
        flush()
        // Handlers that got nothing have nothing to complete.
        guard hasPassed else { return }
        hasPassed = false
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        guard isWaiting, pending.count >= Self.mostPending else { return context.read() }
        isReadWanted = true
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isWaiting else { return pending.append(.error(error)) }
        passOn(context)
        context.fireErrorCaught(error)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed, is ChannelShouldQuiesceEvent: endWait(context)
        default: break
        }
        // Later handlers close the connection on this event if no request is under way. So the held request must be passed on
        // before the event.
        if isWaiting {
            pending.append(.event(event))
        } else {
            passOn(context)
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        encoder = nil
        endWait(context)
        context.fireChannelInactive()
    }

    /// Hummingbird closes the channel when the client has closed its output, and does not know the answers from here. Closing the
    /// channel, or its output, would drop what the socket has not taken yet, so it waits for that. It does not wait for a client
    /// that is too slow or was idle for too long.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode != .input { endWait(context) }
        guard mode != .input, unsent > 0 || isWaiting, !slow.hasCut, !idle.hasCut else {
            return context.close(mode: mode, promise: promise)
        }
        closing.append((mode, promise))
    }

    func closeIfSent(_ context: ChannelHandlerContext) {
        guard unsent == 0, !isWaiting, !closing.isEmpty else { return }
        let closing = closing
        self.closing = []
        for (mode, promise) in closing { context.close(mode: mode, promise: promise) }
    }
}

@available(*, unavailable)
extension DirectAnswerHandler: Sendable {}
