import Exports
import NIOCore
import NIOSSL
import NIOTLS
import Synchronization

/// A connection whose handshake has succeeded.
struct TLSSyslogConnection: SyslogConnection {
    let channel: any Channel
    private let ending: SyslogEnd

    var end: (any Error)? { ending.error }

    /// Begins TLS on a channel that is connected. Call on its event loop. The future ends with the handshake.
    static func open(
        on channel: any Channel,
        _ ending: SyslogEnd,
        tls: () throws -> NIOSSLClientHandler
    ) -> EventLoopFuture<TLSSyslogConnection> {
        let handshake = channel.eventLoop.makePromise(of: Void.self)
        do {
            // The handshake begins with the handler of TLS, and the other one has to be there before.
            try channel.pipeline.syncOperations.addHandler(SyslogWatch(handshake, ending))
            try channel.pipeline.syncOperations.addHandler(tls(), position: .first)
        } catch {
            handshake.fail(error)
            channel.cut()
        }
        return handshake.futureResult.map { TLSSyslogConnection(channel: channel, ending: ending) }
    }

    func send(_ bytes: [UInt8], within limit: Duration) async throws {
        let (channel, ending) = (channel, ending)
        // The write ends when the connection does.
        let timer = channel.eventLoop.scheduleTask(in: .milliseconds(limit.milliseconds)) {
            ending.set(SyslogFailure.timeout)
            channel.cut()
        }
        defer { timer.cancel() }
        try await withTaskCancellationHandler {
            do {
                try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
            } catch {
                throw ending.error ?? error
            }
        } onCancel: {
            channel.eventLoop.execute {
                ending.set(CancellationError())
                channel.cut()
            }
        }
    }

    func close(within limit: Duration) async {
        let channel = channel
        // TLS waits until the other end has closed it too.
        let timer = channel.eventLoop.scheduleTask(in: .milliseconds(limit.milliseconds)) { channel.cut() }
        defer { timer.cancel() }
        channel.close(promise: nil)
        try? await channel.closeFuture.get()
    }
}

/// How a connection has ended: the first reason counts.
final class SyslogEnd: Sendable {
    private let first = Mutex<(any Error)?>(nil)
    private let onEnd: @Sendable () -> Void

    init(_ onEnd: @escaping @Sendable () -> Void) { self.onEnd = onEnd }

    var error: (any Error)? { first.withLock { $0 } }

    func set(_ error: any Error) {
        let isFirst = first.withLock { first in
            guard first == nil else { return false }
            first = error
            return true
        }
        if isFirst { onEnd() }
    }
}

/// Tells the end of the handshake, and that of the connection. Reads nothing: a collector answers nothing.
private final class SyslogWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let handshake: EventLoopPromise<Void>
    private let ending: SyslogEnd

    init(_ handshake: EventLoopPromise<Void>, _ ending: SyslogEnd) {
        (self.handshake, self.ending) = (handshake, ending)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted = event as? TLSUserEvent { handshake.succeed(()) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(error)
        context.channel.cut()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(SyslogFailure.closed)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end(SyslogFailure.closed) }

    private func end(_ error: any Error) {
        ending.set(error)
        handshake.fail(error)
    }
}

extension Channel {
    /// Closes the connection at once, without a word of TLS, for whose answer it would wait. Call on the event loop.
    func cut() {
        if let tls = try? pipeline.syncOperations.context(handlerType: NIOSSLClientHandler.self) {
            tls.close(promise: nil)
        } else {
            close(promise: nil)
        }
    }
}
