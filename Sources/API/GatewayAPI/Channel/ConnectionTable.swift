import HummingbirdCore
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import Synchronization

/// The open connections of a listener. When there are too many, idle ones are closed: see `ConnectionRegister`.
final class ConnectionTable: Sendable {
    private struct State {
        var register: ConnectionRegister<ObjectIdentifier>
        var channels: [ObjectIdentifier: any Channel] = [:]
        /// The streams of HTTP/2, and the connection of each; also those that have ended and for which something is still done.
        var streams: [ObjectIdentifier: ObjectIdentifier] = [:]
        /// How many streams a connection has.
        var counts: [ObjectIdentifier: Int] = [:]
        /// The connections, and the streams, that have memory reserved for a head.
        var heads: Set<ObjectIdentifier> = []
        var isAskedAgain = false
    }

    private let limit: Int
    private let state: Mutex<State>
    private let onDisplaced: @Sendable () -> Void

    /// - Parameters:
    ///   - limit: The most connections that stay.
    ///   - onDisplaced: Called for each connection that is closed for another.
    init(limit: Int, onDisplaced: @escaping @Sendable () -> Void) {
        self.limit = limit
        self.onDisplaced = onDisplaced
        state = Mutex(State(register: .init(limit: limit)))
    }

    /// Accepts one connection more than the limit: `ConnectionRegister` decides which one is closed for it.
    var delegate: some AvailableConnectionsDelegate { Accepting(limit: limit) }

    /// A connection was accepted. Must be called before anything else is in its pipeline.
    ///
    /// - Parameter isPlainHTTP1: Whether the first handler will be the one that encodes answers of HTTP/1.1.
    func opened(_ channel: any Channel, isPlainHTTP1: Bool) throws {
        let id = ObjectIdentifier(channel)
        if !isPlainHTTP1 {
            try channel.pipeline.syncOperations.addHandler(TransportHandler(), name: TransportHandler.name)
        }
        state.withLock { state in
            state.channels[id] = channel
            state.register.opened(id, at: .now())
        }
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { state in
                state.channels[id] = nil
                state.heads.remove(id)
                state.register.closed(id)
            }
        }
        closeExcess()
    }

    /// A client opens a stream on a connection. Returns its place; nil where the connection, or all together, have as many as may be
    /// open.
    func place(for stream: any Channel, on connection: any Channel, _ settings: HTTP2Settings) -> StreamPlace? {
        let (id, owner) = (ObjectIdentifier(stream), ObjectIdentifier(connection))
        let isFree = state.withLock { state in
            guard state.streams.count < settings.maximumStreams,
                state.counts[owner, default: 0] < settings.streamsPerConnection
            else { return false }
            state.streams[id] = owner
            state.counts[owner, default: 0] += 1
            return true
        }
        return isFree ? StreamPlace(stream: stream, table: self) : nil
    }

    /// Nothing is done for a stream any more.
    fileprivate func left(_ stream: any Channel) {
        state.withLock { state in
            guard let owner = state.streams.removeValue(forKey: ObjectIdentifier(stream)),
                let count = state.counts[owner]
            else { return }
            state.counts[owner] = count > 1 ? count - 1 : nil
        }
    }

    /// A request came in on a connection.
    func began(_ channel: any Channel) {
        state.withLock { $0.register.began(ObjectIdentifier(channel)) }
    }

    /// An answer has ended.
    func ended(_ channel: any Channel) {
        state.withLock { $0.register.ended(ObjectIdentifier(channel), at: .now()) }
        closeExcess()
    }

    /// A request on a connection, or on a stream of one, was authenticated. Says whether memory was reserved for its head.
    @discardableResult
    func authenticated(_ channel: any Channel) -> Bool {
        let id = ObjectIdentifier(channel)
        return state.withLock { state in
            state.register.authenticated(state.streams[id] ?? id, at: .now())
            return state.heads.contains(id)
        }
    }

    /// Memory is reserved for a head that comes on a connection or a stream, or not any more.
    func holdsHead(of channel: any Channel, _ isHeld: Bool) {
        let id = ObjectIdentifier(channel)
        state.withLock { state in
            if isHeld {
                state.heads.insert(id)
            } else {
                state.heads.remove(id)
            }
        }
    }

    /// Records that authenticated requests on a connection were answered without passing `RequestCountHandler`.
    func answered(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        state.withLock { state in
            state.register.authenticated(id, at: .now())
            state.register.began(id)
            state.register.ended(id, at: .now())
        }
        closeExcess()
    }

    private func closeExcess() {
        while true {
            let (victim, waits) = state.withLock { state -> ((any Channel)?, (any Channel)?) in
                switch state.register.next(at: .now()) {
                case .nothing: return (nil, nil)
                case .close(let id): return (state.channels[id], nil)
                case .wait:
                    guard !state.isAskedAgain, let any = state.channels.values.first else { return (nil, nil) }
                    state.isAskedAgain = true
                    return (nil, any)
                }
            }
            if let waits {
                waits.eventLoop.scheduleTask(in: ConnectionRegister<ObjectIdentifier>.grace) {
                    self.state.withLock { $0.isAskedAgain = false }
                    self.closeExcess()
                }
            }
            guard let victim else { return }
            displace(victim)
        }
    }

    private func displace(_ victim: any Channel) {
        victim.eventLoop.execute {
            // A request may have come in since the connection was chosen.
            guard !Self.isBusy(victim) else {
                self.state.withLock { $0.register.spared(ObjectIdentifier(victim)) }
                return self.closeExcess()
            }
            self.close(victim)
        }
    }

    /// Whether a request is under way on a connection.
    private static func isBusy(_ channel: any Channel) -> Bool {
        let pipeline = channel.pipeline.syncOperations
        if let idle = try? pipeline.handler(type: IdleConnectionHandler.self) { return idle.isBusy }
        return (try? pipeline.handler(type: ConnectionWatch.self).isBusy) ?? false
    }

    /// Closes a connection for others; to be called on its event loop.
    func close(_ victim: any Channel) {
        // Closed at the lowest handler: TLS would wait for an answer from the client, which may never come, and other
        // handlers may delay closing too.
        let pipeline = victim.pipeline.syncOperations
        let lowest =
            (try? pipeline.context(name: TransportHandler.name))
            ?? (try? pipeline.context(handlerType: HTTPResponseEncoder.self))
        guard let lowest else { return }
        onDisplaced()
        lowest.close(promise: nil)
    }
}

/// A stream's place among those that may be open. It is given back with its last reference: when the stream has ended, and nothing is
/// done for it any more. A client that resets its streams and opens others at once gets no more done than with as many open streams.
final class StreamPlace: Sendable {
    private let stream: any Channel
    private let table: ConnectionTable

    fileprivate init(stream: any Channel, table: ConnectionTable) {
        self.stream = stream
        self.table = table
    }

    deinit { table.left(stream) }
}

private struct Accepting: AvailableConnectionsDelegate {
    let limit: Int
    var count = 0

    mutating func connectionOpened() { count += 1 }
    mutating func connectionClosed() { count -= 1 }
    func isAcceptingNewConnections() -> Bool { count <= limit }
}

/// Marks the place just above the socket, where that is not HTTP's.
private final class TransportHandler: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    static let name = "transport"
}

/// Tells the table of the requests on a connection.
final class RequestCountHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let table: ConnectionTable

    init(table: ConnectionTable) {
        self.table = table
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head = unwrapInboundIn(data) { table.began(context.channel) }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { table.ended(context.channel) }
        context.write(data, promise: promise)
    }
}

@available(*, unavailable)
extension TransportHandler: Sendable {}

@available(*, unavailable)
extension RequestCountHandler: Sendable {}
