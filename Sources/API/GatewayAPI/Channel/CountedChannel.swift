import HTTPListening
import HummingbirdCore
import Logging
import NIOCore
import NIOSSL

/// HTTP/1.1, over TLS where there is an identity. The table knows a connection from its first moment, so that one that never
/// completes TLS counts too.
///
/// Each new connection gets the current certificate. Hummingbird's own TLS channel would always use the first one.
struct CountedChannel: ServerChildChannel {
    let table: ConnectionTable
    let identity: TLSIdentity?
    let base: RequestChannel

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<RequestChannel.Value> {
        channel.eventLoop
            .makeCompletedFuture {
                try table.opened(channel, isSecure: identity != nil)
                guard let identity else { return }
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: identity.context))
            }
            .flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: RequestChannel.Value, logger: Logger) async {
        await base.handle(value: value, logger: logger)
    }
}
