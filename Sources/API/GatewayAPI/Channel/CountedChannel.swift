import HTTPListening
import HummingbirdCore
import Logging
import NIOCore
import NIOSSL

/// A connection of HTTP/1.1 or HTTP/2, over TLS where there is an identity. The table knows a connection from its first moment, so that
/// one that never completes TLS counts too.
///
/// Each new connection gets the current certificate. Hummingbird's own TLS channel would always use the first one.
struct CountedChannel: ServerChildChannel {
    /// A connection whose protocol is known.
    enum Decided: Sendable {
        case http1(RequestChannel.Value)
        case http2(MultiplexedChannel.Connection)
    }

    enum Value: ServerChildChannelValue {
        case decided(any Channel, Decided)
        /// Fails where the connection ends before.
        case undecided(any Channel, EventLoopFuture<Decided>)

        var channel: any Channel {
            switch self {
            case .decided(let channel, _), .undecided(let channel, _): channel
            }
        }
    }

    let table: ConnectionTable
    let identity: TLSIdentity?
    let http1: RequestChannel
    /// Nil where HTTP/2 is not taken: with TLS it is not offered, and in plain text its first bytes are no request.
    let http2: MultiplexedChannel?
    /// How long a client may take until its protocol is known.
    let timeout: TimeAmount
    let onHandshakeFailure: @Sendable () -> Void

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop
            .makeCompletedFuture {
                try table.opened(channel, isPlainHTTP1: identity == nil && http2 == nil)
                guard let identity else { return }
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: identity.context))
            }
            .flatMap {
                if let http2 { return decide(http2, channel, logger) }
                return http1.setup(channel: channel, logger: logger).map { .decided(channel, .http1($0)) }
            }
    }

    private func decide(_ http2: MultiplexedChannel, _ channel: any Channel, _ logger: Logger) -> EventLoopFuture<Value>
    {
        let decided = channel.eventLoop.makePromise(of: Decided.self)
        // Whatever has ended the connection. Nothing happens where it is decided.
        channel.closeFuture.whenComplete { _ in decided.fail(ChannelError.eof) }
        decided.futureResult.whenFailure { _ in channel.close(promise: nil) }
        return channel.eventLoop.makeCompletedFuture {
            let handler = ProtocolHandler(
                isSecure: identity != nil,
                timeout: timeout,
                onHandshakeFailure: onHandshakeFailure
            ) { context, isHTTP2 in
                if isHTTP2 {
                    decided.succeed(.http2(try http2.connection(on: context.channel)))
                } else {
                    decided.completeWith(http1.setup(channel: context.channel, logger: logger).map { .http1($0) })
                }
            }
            try channel.pipeline.syncOperations.addHandler(handler)
            return .undecided(channel, decided.futureResult)
        }
    }

    func handle(value: Value, logger: Logger) async {
        switch value {
        case .decided(_, let decided):
            await handle(decided, logger)
        case .undecided(let channel, let future):
            let decided = await withTaskCancellationHandler {
                try? await future.get()
            } onCancel: {
                channel.close(promise: nil)
            }
            if let decided { await handle(decided, logger) }
        }
    }

    private func handle(_ decided: Decided, _ logger: Logger) async {
        switch decided {
        case .http1(let value): await http1.handle(value: value, logger: logger)
        case .http2(let connection): await http2?.handle(value: connection, logger: logger)
        }
    }
}
