import NIOCore
import NIOSSL
import NIOTLS

/// Finds out whether a connection speaks HTTP/1.1 or HTTP/2, and removes itself: by ALPN at the end of the TLS handshake, or in plain
/// text by the first bytes (RFC 9113, 3.2 to 3.4). Without either, it is HTTP/1.1.
///
/// A client that keeps it waiting is disconnected after the idle timeout.
final class ProtocolHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var opening = Opening()
    private let isSecure: Bool
    private let timeout: TimeAmount
    private let onHandshakeFailure: @Sendable () -> Void
    private var decide: ((ChannelHandlerContext, _ isHTTP2: Bool) throws -> Void)?
    private var waiting = ByteBuffer()
    private var check: Scheduled<Void>?

    /// - Parameters:
    ///   - isSecure: Whether TLS is below.
    ///   - timeout: How long the client may take.
    ///   - onHandshakeFailure: Called when the connection ended before the TLS handshake was complete.
    ///   - decide: Called at most once, to add the handlers of the protocol. Released when it was, or when the connection has ended.
    init(
        isSecure: Bool,
        timeout: TimeAmount,
        onHandshakeFailure: @escaping @Sendable () -> Void,
        decide: @escaping (ChannelHandlerContext, _ isHTTP2: Bool) throws -> Void
    ) {
        (self.isSecure, self.timeout) = (isSecure, timeout)
        (self.onHandshakeFailure, self.decide) = (onHandshakeFailure, decide)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        check = context.eventLoop.scheduleTask(in: timeout) { bound.value.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        check?.cancel()
        check = nil
        decide = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard decide != nil else { return context.fireChannelRead(data) }
        waiting.writeImmutableBuffer(unwrapInboundIn(data))
        guard !isSecure, let isHTTP2 = opening.decision(waiting) else { return }
        end(context, isHTTP2)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        guard decide != nil else { return }
        switch event {
        case TLSUserEvent.handshakeCompleted(let name): end(context, name == "h2")
        // Nothing is under way here.
        case ChannelEvent.inputClosed, is ChannelShouldQuiesceEvent: context.close(promise: nil)
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case NIOSSLError.handshakeFailed = error { onHandshakeFailure() }
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        decide = nil
        context.fireChannelInactive()
    }

    private func end(_ context: ChannelHandlerContext, _ isHTTP2: Bool) {
        guard let decide else { return }
        self.decide = nil
        do {
            try decide(context, isHTTP2)
        } catch {
            return context.close(promise: nil)
        }
        if waiting.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(waiting))
            context.fireChannelReadComplete()
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}

/// Tells HTTP/2 from HTTP/1.1 by the first bytes of a connection. Its preface was chosen so that no request of HTTP/1.1 begins with it
/// (RFC 9113, 3.4).
struct Opening: Sendable {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    /// Whether the connection is one of HTTP/2; nil where more bytes are needed.
    func decision(_ bytes: ByteBuffer) -> Bool? {
        let begun = bytes.readableBytesView.prefix(Self.preface.count)
        guard begun.elementsEqual(Self.preface.prefix(begun.count)) else { return false }
        return begun.count == Self.preface.count ? true : nil
    }
}

@available(*, unavailable)
extension ProtocolHandler: Sendable {}
