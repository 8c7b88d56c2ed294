import HTTPListening
import HummingbirdCore
import Logging
import NIOCore
import NIOSSL

/// HTTP/1.1 over TLS: each connection gets the certificate that is good when it comes.
///
/// Hummingbird's own TLS channel keeps the certificate of the start for good.
struct TLSChannel: ServerChildChannel {
    let identity: TLSIdentity
    let base: RequestChannel

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<RequestChannel.Value> {
        channel.eventLoop
            .makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: identity.context))
            }
            .flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: RequestChannel.Value, logger: Logger) async {
        await base.handle(value: value, logger: logger)
    }
}
