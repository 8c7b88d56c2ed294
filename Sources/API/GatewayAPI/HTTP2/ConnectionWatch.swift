import NIOCore
import NIOHTTP2

/// Watches a connection of HTTP/2 just above its frames, and ends it: where it was idle for too long, where its client does not keep
/// to the protocol, and where it sends what brings nothing on. `ConnectionLife` decides about the time.
///
/// NIO's `NIOHTTP2ServerConnectionManagementHandler`, which is above this one, tells the client of the end with `GOAWAY` and closes
/// the connection behind the last stream. It waits for an answer without a limit.
final class ConnectionWatch: ChannelDuplexHandler, NIOHTTP2FrameDelegate {
    typealias InboundIn = HTTP2Frame
    typealias InboundOut = HTTP2Frame
    typealias OutboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private var life: ConnectionLife
    private var allowance: FrameAllowance
    private var context: ChannelHandlerContext?
    private var check: Scheduled<Void>?
    /// `GOAWAY` was sent with an error: nothing more is read or answered.
    private var hasFailed = false
    /// Whether the connection is closed at once, with what the socket has not taken.
    private(set) var isAborting = false
    /// Whether the frame that is written next says that no stream was read, as NIO says to clients that send too much. A client may send
    /// such requests again (RFC 9113, 6.8), and what was done for them would be done twice.
    private var deniesStreams = false
    /// Whether the frame that is written next is the gateway's settings.
    private var isSettings = false
    private let announced: AnnouncedStreams
    /// Writes bytes without NIO's frames; nil while the bytes have no handler.
    var writeBelow: ((ByteBuffer) -> Void)?
    private let onFlood: @Sendable () -> Void

    /// - Parameters:
    ///   - idleTimeout: How long the connection may be without a stream.
    ///   - frames: How many frames may come that bring nothing on.
    ///   - streams: How many streams the client is told that it may have open.
    ///   - onFlood: Called when the connection is closed because its client sends too much of something.
    init(
        idleTimeout: TimeAmount,
        frames: Int,
        streams: Int,
        at now: NIODeadline,
        onFlood: @escaping @Sendable () -> Void
    ) {
        announced = AnnouncedStreams(most: streams)
        life = ConnectionLife(idleTimeout: idleTimeout, at: now)
        allowance = FrameAllowance(most: frames)
        self.onFlood = onFlood
    }

    /// Whether a stream is open.
    var isBusy: Bool { life.streams > 0 }

    /// Whether the client was told to open no more streams, which may be on their way all the same.
    var isLeaving: Bool { life.isLeaving }

    /// A stream was opened.
    func began() { life.began() }

    /// A stream was closed.
    func ended() {
        guard let context else { return }
        life.ended(at: context.eventLoop.now)
        // Otherwise the next check comes soon enough.
        if life.isLeaving { lookAfter(context) }
    }

    /// A stream was refused.
    func refused() {
        if !allowance.spend(FrameAllowance.costOfRefusal) { fail(.enhanceYourCalm) }
    }

    /// Bytes came, and have not been decoded yet. False where they must not be: the connection ends.
    func received(_ seen: FrameMeter.Seen) -> Bool {
        guard !hasFailed else { return false }
        allowance.began(seen.heads)
        if allowance.spend(seen.idle) { return true }
        fail(.enhanceYourCalm)
        return false
    }

    /// The client has acknowledged the settings.
    func acknowledged() { life.acknowledged() }

    /// Whether a part of a head has come whose end has not.
    func holdsHead(_ isHeld: Bool) {
        guard let context else { return }
        life.holdsHead(isHeld, at: context.eventLoop.now)
    }

    /// Tells the client of an error, and closes the connection.
    func fail(_ code: HTTP2ErrorCode) {
        guard let context, !hasFailed else { return }
        // `wroteFrame` is called for it.
        let end = HTTP2Frame.FramePayload.goAway(lastStreamID: .maxID, errorCode: code, opaqueData: nil)
        context.writeAndFlush(wrapOutboundOut(HTTP2Frame(streamID: .rootStream, payload: end)), promise: nil)
        abort(context)
    }

    /// The first `GOAWAY`, which only announces the end, is not NIO's: NIO takes no stream from then on, and ends the connection with all
    /// downloads for the body of a request that was on its way. Such a stream is served (RFC 9113, 6.8); the second `GOAWAY`, behind the
    /// client's answer to `PING`, names the last one.
    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .goAway(.maxID, .noError, _) = unwrapOutboundIn(data).payload, let writeBelow {
            writeBelow(Self.announcement)
            promise?.succeed()
        } else {
            context.write(data, promise: promise)
        }
    }

    /// A `GOAWAY` without an error that allows for any stream (RFC 9113, 4.1 and 6.8).
    static let announcement: ByteBuffer = {
        var bytes = ByteBuffer(bytes: [0, 0, 8, 7, 0, 0, 0, 0, 0])
        bytes.writeInteger(UInt32(Int32.max))
        bytes.writeInteger(UInt32(0))
        return bytes
    }()

    func wroteFrame(_ frame: HTTP2Frame) {
        switch frame.payload {
        case .settings(.settings): isSettings = true
        case .data(let data): allowance.sent(data.data.readableBytes)
        case .goAway(let last, let code, _) where code != .noError:
            deniesStreams = last == .rootStream
            if code == .enhanceYourCalm, !hasFailed { onFlood() }
            hasFailed = true
        default: break
        }
    }

    /// Corrects the bytes of a frame that says that no stream was read, because any may have been, and of the settings.
    func corrected(_ frame: IOData) -> IOData {
        guard deniesStreams || isSettings, case .byteBuffer(var bytes) = frame else { return frame }
        if isSettings {
            isSettings = false
            announced.announce(in: &bytes)
            return .byteBuffer(bytes)
        }
        deniesStreams = false
        // Behind the nine bytes that each frame begins with.
        bytes.setInteger(UInt32(Int32.max), at: bytes.readerIndex + 9)
        return .byteBuffer(bytes)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        lookAfter(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        check?.cancel()
        check = nil
        self.context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // NIO has reset the stream where the error is one stream's. Others are errors of the connection.
        if hasFailed || !(error is any NIOHTTP2Error) { abort(context) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        // A client that sends nothing more cannot say that it has read anything.
        case ChannelEvent.inputClosed: abort(context)
        case is ChannelShouldQuiesceEvent: goAway(context, event)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    private func goAway(_ context: ChannelHandlerContext, _ event: Any) {
        life.goesAway(at: context.eventLoop.now)
        context.fireUserInboundEventTriggered(event)
        lookAfter(context)
    }

    private func abort(_ context: ChannelHandlerContext) {
        guard !isAborting else { return }
        isAborting = true
        context.close(promise: nil)
    }

    /// Decides what is due, and when to decide again.
    private func lookAfter(_ context: ChannelHandlerContext) {
        check?.cancel()
        check = nil
        guard !isAborting else { return }
        switch life.verdict(at: context.eventLoop.now) {
        case .wait(let time):
            let bound = NIOLoopBound((watch: self, context: context), eventLoop: context.eventLoop)
            check = context.eventLoop.scheduleTask(deadline: time) { bound.value.watch.lookAfter(bound.value.context) }
        case .goAway: goAway(context, ChannelShouldQuiesceEvent())
        case .close:
            context.close(promise: nil)
            // The socket has this long to take what was sent.
            let bound = NIOLoopBound((watch: self, context: context), eventLoop: context.eventLoop)
            check = context.eventLoop.scheduleTask(in: life.idleTimeout) {
                bound.value.watch.abort(bound.value.context)
            }
        case .abort: abort(context)
        case .settingsTimeout: fail(.settingsTimeout)
        }
    }
}

@available(*, unavailable)
extension ConnectionWatch: Sendable {}
