import NIOCore
import NIOHTTPTypes

/// The last bytes of an answer that is about to be cut.
enum LastBytes {
    /// How long the client has to take them, together with what waits for it; what it has not taken then is dropped with the
    /// connection.
    static let patience = TimeAmount.seconds(5)

    /// Writes `bytes` behind everything of the answer under way that was written, and returns when the socket has taken
    /// them, the client has gone or `patience` is over, in a cancelled task too.
    ///
    /// Past Hummingbird's writer, which takes nothing in a cancelled task; and waited for, because closing the channel drops
    /// what the socket has not taken.
    static func send(_ bytes: ByteBuffer, on channel: any Channel) async {
        let isOver = channel.eventLoop.makePromise(of: Void.self)
        let timer = channel.eventLoop.scheduleTask(in: patience) { isOver.succeed() }
        channel.writeAndFlush(HTTPResponsePart.body(bytes)).whenComplete { _ in isOver.succeed() }
        try? await isOver.futureResult.get()
        timer.cancel()
    }

    /// How long an answer lasts at the least before it is cut.
    static let shortestAnswer = TimeAmount.seconds(1)

    /// Returns when `shortestAnswer` has passed since an answer of unknown length was begun, in a cancelled task too.
    ///
    /// A proxy that gets head, bytes and cut in one moment may tell its client the length of what it got: half a file is
    /// whole then. One that has passed the head on cannot.
    static func wait(since begun: NIODeadline, on channel: any Channel) async {
        guard begun + shortestAnswer > .now() else { return }
        try? await channel.eventLoop.scheduleTask(deadline: begun + shortestAnswer) {}.futureResult.get()
    }
}
