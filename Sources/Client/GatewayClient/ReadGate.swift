import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// The receivers of files that were asked for, by the ids of their requests. As many as downloads are under way.
final class FileReceivers: Sendable {
    private let receivers = Mutex<[String: FileReceiver]>([:])

    subscript(requestID: String) -> FileReceiver? {
        get { receivers.withLock { $0[requestID] } }
        set { receivers.withLock { $0[requestID] = newValue } }
    }
}

/// Reads of a connection only what the receiver of its answer has room for, and gives it the trailer
/// (RFC 9112, 7.1.2: https://www.rfc-editor.org/rfc/rfc9112#section-7.1.2), which AsyncHTTPClient does not pass on.
///
/// It comes before AsyncHTTPClient's own handler, so that the receiver has a trailer before it hears of the end.
final class ReadGate: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private let receivers: FileReceivers
    private var receiver: FileReceiver?

    init(_ receivers: FileReceivers) { self.receivers = receivers }

    /// Adds it after the decoder of a connection of the HTTP client. Call on the event loop of `channel`.
    static func add(to channel: any Channel, _ receivers: FileReceivers) throws {
        let pipeline = channel.pipeline.syncOperations
        let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
        try pipeline.addHandler(ReadGate(receivers), position: .after(decoder))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .head(let head) = unwrapOutboundIn(data) {
            receiver = head.headers.first(name: "x-request-id").flatMap { receivers[$0] }
        }
        context.write(data, promise: promise)
    }

    func read(context: ChannelHandlerContext) {
        guard let room = receiver?.room else { return context.read() }
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        room.hop(to: context.eventLoop).whenComplete { _ in bound.value.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .end(let trailer) = unwrapInboundIn(data) {
            if let trailer { receiver?.add(trailer: trailer) }
            receiver = nil
        }
        context.fireChannelRead(data)
    }
}
