import HTTPListening
import HummingbirdCore
import Logging
import NIOCore
import NIOSSL

/// HTTP/1.1, over TLS where there is an identity, on a connection that the table knows of from its first moment: one that never
/// gets as far as TLS counts too.
///
/// Each connection gets the certificate that is good when it comes; Hummingbird's own TLS channel keeps that of the start for
/// good.
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
