import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// The trailer fields of answers, by the ids of their requests: AsyncHTTPClient does not pass them on.
///
/// As many as downloads are under way: what nobody expects is not kept.
final class TrailerStore: Sendable {
    private let expected = Mutex<[String: HTTPHeaders?]>([:])

    /// The trailer of this request will be taken.
    func expect(_ requestID: String) { expected.withLock { $0[requestID] = .some(nil) } }

    /// The trailer has come.
    func add(_ trailer: HTTPHeaders, of requestID: String) {
        expected.withLock { if $0[requestID] != nil { $0[requestID] = trailer } }
    }

    /// Takes what has come of this request; nil where there was no trailer.
    func take(_ requestID: String) -> HTTPHeaders? { expected.withLock { $0.removeValue(forKey: requestID) ?? nil } }
}

/// Reads the trailers of a connection's answers (RFC 9112, 7.1.2: https://www.rfc-editor.org/rfc/rfc9112#section-7.1.2).
///
/// It comes before AsyncHTTPClient's own handler, so that a trailer is in the store before the reader of the body sees its end.
final class TrailerReader: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private let store: TrailerStore
    private var requestID: String?

    init(_ store: TrailerStore) { self.store = store }

    /// Adds it after the decoder of a connection of the HTTP client. Call on the event loop of `channel`.
    static func add(to channel: any Channel, _ store: TrailerStore) throws {
        let pipeline = channel.pipeline.syncOperations
        let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
        try pipeline.addHandler(TrailerReader(store), position: .after(decoder))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .head(let head) = unwrapOutboundIn(data) { requestID = head.headers.first(name: "x-request-id") }
        context.write(data, promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .end(let trailer?) = unwrapInboundIn(data), let requestID { store.add(trailer, of: requestID) }
        context.fireChannelRead(data)
    }
}
