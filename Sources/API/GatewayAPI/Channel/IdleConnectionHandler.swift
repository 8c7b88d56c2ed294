import NIOCore
import NIOHTTPTypes

/// Closes a connection that is idle for too long: no request is being answered on it, and nothing comes in.
///
/// It replaces the timeout of Hummingbird's `HTTPConnectionStateHandler`, which does not see answers that bypass it.
final class IdleConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// Whether it has closed the connection.
    private(set) var hasCut = false
    private let timeout: TimeAmount
    private var lastActive = NIODeadline.now()
    /// Requests whose answers have not ended.
    private(set) var underWay = 0
    /// The body of the newest request is still coming: its client must keep sending.
    private var isReading = false
    private var check: Scheduled<Void>?
    /// Called for each answer that has ended and was not made at once.
    var onEnded: (() -> Void)?

    /// Whether a request is being answered.
    var isBusy: Bool { underWay > 0 }

    /// - Parameter timeout: How long a connection may be idle.
    init(timeout: TimeAmount) {
        self.timeout = timeout
    }

    /// A request is being answered without passing this handler; `endedBeside` must follow.
    func beganBeside() { underWay += 1 }

    /// It was answered.
    func endedBeside(at now: NIODeadline) {
        underWay -= 1
        lastActive = now
        onEnded?()
    }

    /// A request was answered at once, without passing this handler.
    func answeredBeside(at now: NIODeadline) { lastActive = now }

    func handlerAdded(context: ChannelHandlerContext) {
        lastActive = context.eventLoop.now
        schedule(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        check?.cancel()
        check = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastActive = context.eventLoop.now
        switch unwrapInboundIn(data) {
        case .head:
            isReading = true
            underWay += 1
        case .body: break
        case .end: isReading = false
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) {
            underWay -= 1
            lastActive = context.eventLoop.now
            onEnded?()
        }
        context.write(data, promise: promise)
    }

    private func schedule(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        check = context.eventLoop.scheduleTask(deadline: max(lastActive, context.eventLoop.now - timeout) + timeout) {
            bound.value.handler.checkIdle(bound.value.context)
        }
    }

    private func checkIdle(_ context: ChannelHandlerContext) {
        check = nil
        let now = context.eventLoop.now
        if underWay > 0, !isReading {
            // The gateway is answering, and the client has nothing to send.
            lastActive = now
        }
        guard now < lastActive + timeout else {
            hasCut = true
            return context.close(promise: nil)
        }
        schedule(context)
    }
}

@available(*, unavailable)
extension IdleConnectionHandler: Sendable {}
