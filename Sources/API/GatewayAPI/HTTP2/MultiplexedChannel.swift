import HTTPListening
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2

/// One connection of HTTP/2: NIO's frames and streams, each stream with the gateway's own handlers, and one task for each.
///
/// Hummingbird's channel for HTTP/2 has no limits of what clients may send, and resets a stream whose answer has ended before the client
/// has taken it, when it is told to stop.
struct MultiplexedChannel: ServerChildChannel, HTTPChannelHandler {
    /// A connection, and its streams as they come; nil for one that was refused.
    struct Connection: ServerChildChannelValue {
        let channel: any Channel
        fileprivate let streams: NIOHTTP2Handler.AsyncStreamMultiplexer<Stream?>
    }

    fileprivate struct Stream: Sendable {
        let channel: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
        let place: StreamPlace
    }

    /// What a connection needs beside the routes.
    struct Parts: Sendable {
        let settings: HTTP2Settings
        let limits: RequestLimits
        let table: ConnectionTable
        let memory: UnfinishedHeads
        let metrics: HTTPMetrics
        let idleTimeout: TimeAmount
        /// The lowest rate at which a client may read, and the time over which that is averaged.
        let minimumRate: Int
        let minimumRateWindow: TimeAmount
    }

    let responder: HTTPChannelHandler.Responder
    private let parts: Parts

    init(responder: @escaping HTTPChannelHandler.Responder, parts: Parts) {
        self.responder = { request, writer, channel in
            do {
                try await responder(request, writer, channel)
            } catch {
                // A client must not take what it has for all of it. Otherwise the stream would end with `CANCEL`, which some proxies take
                // for their client's own wish.
                channel.triggerUserOutboundEvent(
                    NIOHTTP2FramePayloadToHTTPEvent.reset(code: .internalError),
                    promise: nil
                )
                throw error
            }
        }
        self.parts = parts
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Connection> {
        channel.eventLoop.makeCompletedFuture { try connection(on: channel) }
    }

    /// Adds the handlers of a connection; to be called on its event loop.
    func connection(on channel: any Channel) throws -> Connection {
        let (metrics, loop) = (parts.metrics, channel.eventLoop)
        let watch = ConnectionWatch(
            idleTimeout: parts.idleTimeout,
            frames: parts.settings.framesWithoutProgress,
            streams: parts.settings.streamsPerConnection,
            at: loop.now,
            onFlood: { metrics.endedFlood() }
        )
        let slow = SlowReaderHandler(
            pace: ReaderPace(rate: parts.minimumRate, window: parts.minimumRateWindow),
            onCut: { metrics.cutSlowClient() }
        )
        let drain = NIOHTTP2ServerConnectionManagementHandler(
            eventLoop: loop,
            configuration: .init(maxIdleTime: nil, maxAge: nil, maxGraceTime: nil, keepalive: nil)
        )
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(
            FrameBytesHandler(watch: watch, slow: slow, memory: parts.memory, table: parts.table)
        )
        let bound = NIOLoopBound(watch, eventLoop: loop)
        let streams = try pipeline.configureAsyncHTTP2Pipeline(
            mode: .server,
            streamDelegate: drain.http2StreamDelegate,
            frameDelegate: watch,
            configuration: parts.settings.configuration(parts.limits)
        ) { stream in
            stream.eventLoop.makeCompletedFuture { try open(stream, on: channel, bound.value) }
        }
        try pipeline.addHandler(watch)
        try pipeline.addHandler(drain)
        return Connection(channel: channel, streams: streams)
    }

    private func open(_ stream: any Channel, on connection: any Channel, _ watch: ConnectionWatch) throws -> Stream? {
        guard let place = parts.table.place(for: stream, on: connection, parts.settings) else {
            parts.metrics.refusedStream()
            // Sent when the stream is active.
            stream.writeAndFlush(HTTP2Frame.FramePayload.rstStream(.refusedStream), promise: nil)
            watch.refused()
            return nil
        }
        watch.began()
        let metrics = parts.metrics
        let pipeline = stream.pipeline.syncOperations
        try pipeline.addHandler(HTTP2FramePayloadToHTTPServerCodec())
        try pipeline.addHandler(
            SlowStreamHandler(
                rate: parts.minimumRate,
                window: parts.minimumRateWindow,
                onCut: { metrics.cutSlowClient() }
            )
        )
        try pipeline.addHandler(
            StreamHandler(
                connection: connection,
                limits: parts.limits,
                window: parts.settings.window,
                memory: parts.memory,
                table: parts.table,
                isLeaving: watch.isLeaving,
                onUnreadable: { status in metrics.unreadable(status: status) }
            )
        )
        let channel = try NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>(wrappingChannelSynchronously: stream)
        let bound = NIOLoopBound(watch, eventLoop: stream.eventLoop)
        stream.closeFuture.whenComplete { _ in
            bound.value.ended()
            // Nobody may ever take the stream, where the connection's task ends meanwhile. NIO's writer must not be released before its
            // channel is closed.
            withExtendedLifetime((channel, place)) {}
        }
        return Stream(channel: channel, place: place)
    }

    /// Answers the streams of a connection. When its task is cancelled, so are they, and the connection is closed when they have ended.
    func handle(value: Connection, logger: Logger) async {
        await withTaskExecutorPreference(EventLoopTaskExecutor(value.channel.eventLoop)) {
            await withDiscardingTaskGroup { group in
                do {
                    for try await case let stream? in value.streams.inbound {
                        group.addTask {
                            await handleHTTP(asyncChannel: stream.channel, logger: logger)
                            withExtendedLifetime(stream.place) {}
                        }
                    }
                } catch {
                    logger.trace(
                        "An HTTP/2 connection has ended with an error",
                        metadata: ["error": .string("\(type(of: error))")]
                    )
                }
            }
            value.channel.close(promise: nil)
            try? await value.channel.closeFuture.get()
        }
    }
}
