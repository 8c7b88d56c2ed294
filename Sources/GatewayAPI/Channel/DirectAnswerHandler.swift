import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Answers on the event loop what `DirectAnswers` can answer, and passes everything else on to Hummingbird.
///
/// It is the last of our handlers before Hummingbird: an answer from here goes out through all the others, which count, limit and
/// end a connection as they do for every answer. It answers only where nothing is under way behind it, so that answers keep the
/// order of their requests, and only as fast as the client takes them.
final class DirectAnswerHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let answers: DirectAnswers
    private let table: ConnectionTable
    /// A request that may be answered here, as soon as it has ended.
    private var held: (head: HTTPRequest, target: DirectAnswers.Target)?
    /// Requests that were passed on and whose answers have not ended.
    private var underWay = 0
    /// Answers from here that the socket has not taken, and how many of them there may be.
    private var unsent = 0
    private static let mostUnsent = 64
    /// Bytes that were written since the last flush. TLS keeps what is not flushed, and does not say that it is much.
    private var unflushed = 0
    private static let mostUnflushed = 16 << 10
    private var isKnown = false
    /// Who wants the connection closed, when those answers are out.
    private var closing: [EventLoopPromise<Void>?] = []

    /// - Parameter table: Told that the connection is a known caller's.
    init(answers: DirectAnswers, table: ConnectionTable) {
        self.answers = answers
        self.table = table
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            if underWay == 0, held == nil, closing.isEmpty, Self.hasNoBody(head),
                let target = DirectAnswers.target(of: head)
            {
                held = (head, target)
            } else {
                underWay += 1
                context.fireChannelRead(data)
            }
        case .body:
            passOn(context)
            context.fireChannelRead(data)
        case .end(let trailers):
            if trailers == nil, let (head, target) = held, isReady(context),
                let answer = answers.answer(to: head, target, from: context.remoteAddress)
            {
                held = nil
                send(answer, context)
            } else {
                passOn(context)
                context.fireChannelRead(data)
            }
        }
    }

    /// Whether the end of the request comes with its head: nobody is waited for.
    private static func hasNoBody(_ head: HTTPRequest) -> Bool {
        head.headerFields[.contentLength] == nil && head.headerFields[.transferEncoding] == nil
            && head.headerFields[.expect] == nil
    }

    /// What was held back is Hummingbird's.
    private func passOn(_ context: ChannelHandlerContext) {
        guard let (head, _) = held else { return }
        held = nil
        underWay += 1
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    /// Whether the client takes what it is sent.
    private func isReady(_ context: ChannelHandlerContext) -> Bool {
        if unflushed > Self.mostUnflushed || !context.channel.isWritable { flush(context) }
        return context.channel.isWritable && unsent < Self.mostUnsent
    }

    private func flush(_ context: ChannelHandlerContext) {
        guard unflushed > 0 else { return }
        unflushed = 0
        context.flush()
    }

    private func send(_ answer: DirectAnswers.Answer, _ context: ChannelHandlerContext) {
        if !isKnown {
            isKnown = true
            table.authenticated(context.channel)
        }
        let sent = context.eventLoop.makePromise(of: Void.self)
        unsent += 1
        sent.futureResult.assumeIsolated()
            .whenComplete { _ in
                self.unsent -= 1
                self.closeIfSent(context)
            }
        answers.sent(answer)
        // The head is about as long as this.
        unflushed += 512 + (answer.body?.readableBytes ?? 0)
        context.write(wrapOutboundOut(.head(answer.head)), promise: nil)
        if let body = answer.body { context.write(wrapOutboundOut(.body(body)), promise: nil) }
        context.write(wrapOutboundOut(.end(nil)), promise: sent)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        flush(context)
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        passOn(context)
        context.fireErrorCaught(error)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data), underWay > 0 { underWay -= 1 }
        context.write(data, promise: promise)
    }

    /// Hummingbird closes when the client has said its last word, and does not know of answers from here: closing would drop what
    /// the socket has not taken.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .all, unsent > 0 else { return context.close(mode: mode, promise: promise) }
        closing.append(promise)
    }

    private func closeIfSent(_ context: ChannelHandlerContext) {
        guard unsent == 0, !closing.isEmpty else { return }
        let promises = closing
        closing = []
        for promise in promises { context.close(promise: promise) }
    }
}

@available(*, unavailable)
extension DirectAnswerHandler: Sendable {}
