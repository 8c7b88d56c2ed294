import NIOCore
import NIOHTTPTypes

/// Sends the last bytes of an answer before its connection is broken off.
enum LastBytes {
    /// How long the client has to read them, together with what waits before them. The rest is dropped with the connection.
    static let patience = TimeAmount.seconds(5)

    /// Writes `bytes` after everything that was written of the answer under way. Returns when the socket has taken them, the
    /// client has left, or `patience` is over, also in a cancelled task.
    ///
    /// It bypasses Hummingbird's writer, which writes nothing in a cancelled task. It waits, because closing the channel drops
    /// what the socket has not taken.
    static func send(_ bytes: ByteBuffer, on channel: any Channel) async {
        let isOver = channel.eventLoop.makePromise(of: Void.self)
        let timer = channel.eventLoop.scheduleTask(in: patience) { isOver.succeed() }
        channel.writeAndFlush(HTTPResponsePart.body(bytes)).whenComplete { _ in isOver.succeed() }
        try? await isOver.futureResult.get()
        timer.cancel()
    }

    /// The shortest time of an answer before it is broken off.
    static let shortestAnswer = TimeAmount.seconds(1)

    /// Returns when `shortestAnswer` has passed since an answer of unknown length was begun, also in a cancelled task.
    ///
    /// A proxy that gets head, bytes and the break at the same moment may send its client the length of what it got. Half a
    /// file then looks whole. A proxy that has already passed on the head cannot do so.
    static func wait(since begun: NIODeadline, on channel: any Channel) async {
        guard begun + shortestAnswer > .now() else { return }
        try? await channel.eventLoop.scheduleTask(deadline: begun + shortestAnswer) {}.futureResult.get()
    }
}
