import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization
import Webhooks

/// A connection that can be closed from any thread, also before it is there.
final class WebhookConnection: Sendable {
    private struct State {
        var channel: (any Channel)?
        var isCancelled = false
    }

    private let state = Mutex(State())

    /// Opens a connection to exactly this address.
    ///
    /// - Parameter prepare: Adds the handlers, on the connection's event loop.
    func open(
        _ address: SocketAddress,
        on eventLoop: any EventLoop,
        timeout: TimeAmount,
        prepare: @escaping @Sendable (any Channel) throws -> Void
    ) async throws(WebhookSendFailure) {
        do {
            _ = try await ClientBootstrap(group: eventLoop)
                .connectTimeout(timeout)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        guard self.keep(channel) else { throw CancellationError() }
                        try prepare(channel)
                    }
                }
                .connect(to: address)
                .get()
        } catch {
            if case .connectTimeout = error as? ChannelError { throw .timeout }
            throw .connectionFailed
        }
    }

    /// Closes what was opened; what is opened later fails.
    func cancel() {
        let channel = state.withLock { state in
            state.isCancelled = true
            return state.channel
        }
        channel?.eventLoop.execute { if let channel { WebhookExchange.close(channel) } }
    }

    private func keep(_ channel: any Channel) -> Bool {
        state.withLock { state in
            state.channel = channel
            return !state.isCancelled
        }
    }
}
