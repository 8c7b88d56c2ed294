import Hummingbird
import NIOCore

/// What Hummingbird passes to the responder with the request.
struct GatewayContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The connection; asked only for what its `ConnectionHandler` knows.
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}
