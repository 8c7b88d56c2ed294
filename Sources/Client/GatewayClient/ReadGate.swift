import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// The receivers of files that were asked for, by the ids of their requests, until the heads of the answers have come.
final class FileReceivers: Sendable {
    private let receivers = Mutex<[String: FileReceiver]>([:])

    subscript(requestID: String) -> FileReceiver? {
        get { receivers.withLock { $0[requestID] } }
        set { receivers.withLock { $0[requestID] = newValue } }
    }
}

/// Gives the receiver of a file what a connection reads, and reads no further while the receiver has no space.
///
/// A read may bring a mebibyte at once, and the last one of a connection that was closed all that the system has of it. For
/// AsyncHTTPClient, each piece is empty: it sees that the answer goes on, and where it ends. The trailer
/// (RFC 9112, 7.1.2: https://www.rfc-editor.org/rfc/rfc9112#section-7.1.2) is there before AsyncHTTPClient hears of the end.
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
        guard let space = receiver?.space else { return context.read() }
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        space.hop(to: context.eventLoop).whenComplete { _ in bound.value.read() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let receiver else { return context.fireChannelRead(data) }
        switch unwrapInboundIn(data) {
        case .head(let head):
            receiver.read(head)
            context.fireChannelRead(data)
        case .body(let piece):
            receiver.read(piece)
            context.fireChannelRead(wrapInboundOut(.body(ByteBuffer())))
        case .end(let trailer):
            if let trailer { receiver.read(trailer: trailer) }
            self.receiver = nil
            context.fireChannelRead(data)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { receiver = nil }
}
