import Hummingbird
import HummingbirdCore
import NIOCore

/// A request's surroundings: what Hummingbird needs, and the connection itself, for the faults that break it.
struct SandboxContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}

/// Closes the whole connection when the caller has closed its half.
///
/// Hummingbird keeps half-closed connections open to finish answers. Then a stalled download would never end when its reader has
/// left.
final class HalfCloseHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Never

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
