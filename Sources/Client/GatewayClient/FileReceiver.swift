import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// Takes the answer to the request for a file on the event loop of its connection. AsyncHTTPClient's sequence of bytes would go to
/// another thread and back for each read.
///
/// It takes every byte that was read, because AsyncHTTPClient drops those that it still has when a connection breaks. How much is read
/// is decided by `ReadGate`, which asks for `room`.
final class FileReceiver: HTTPClientResponseDelegate {
    /// Takes bytes on the event loop. No more should come before the future has succeeded. Its error ends the exchange.
    typealias Taking = @Sendable (ByteBuffer) -> EventLoopFuture<Void>?

    enum Answer: Sendable {
        /// The head of a file (200 or 206).
        case file(HTTPResponseHead)
        /// Anything else, whole.
        case other(HTTPResponseHead, body: ByteBuffer)
    }

    private struct State {
        /// Of an answer that is no file.
        var head: HTTPResponseHead?
        /// What came before somebody took it.
        var pieces: [ByteBuffer] = []
        var taking: Taking?
        /// When more may be read; nil for now.
        var room: EventLoopFuture<Void>?
        var trailer: HTTPHeaders?
    }

    /// Fails with `NIOTooManyBytesError` for an answer that is no file and too long.
    let answer: EventLoopFuture<Answer>
    private let loop: any EventLoop
    private let answering: EventLoopPromise<Answer>
    private let beginning: EventLoopPromise<Void>
    private let limit: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - loop: The event loop of the connection.
    ///   - limit: The most bytes of an answer that is no file.
    init(on loop: any EventLoop, limit: Int) {
        self.loop = loop
        answering = loop.makePromise()
        beginning = loop.makePromise()
        answer = answering.futureResult
        self.limit = limit
    }

    /// When more may be read; nil for now. Before `begin`, no byte of a file is asked for.
    var room: EventLoopFuture<Void>? { state.withLock { $0.room } }

    /// The fields after the last byte.
    var trailer: HTTPHeaders? { state.withLock { $0.trailer } }

    /// The fields after the last byte have come.
    func add(trailer: HTTPHeaders) { state.withLock { $0.trailer = trailer } }

    /// Gives `taking` what has come of the file, and what will come. Returns when it has what has come.
    func begin(_ task: HTTPClient.Task<Void>, _ taking: @escaping Taking) async throws {
        try await loop.submit {
            let pieces = self.state.withLock { state in
                state.taking = taking
                state.room = nil
                defer { state.pieces = [] }
                return state.pieces
            }
            for piece in pieces { self.take(piece, taking, task) }
            self.beginning.succeed()
        }
        .get()
    }

    /// The exchange has ended with an error, or nobody wants the file.
    func failed(_ error: any Error) {
        answering.fail(error)
        beginning.fail(error)
    }

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        if head.status == .ok || head.status == .partialContent {
            state.withLock { $0.room = beginning.futureResult }
            answering.succeed(.file(head))
        } else {
            state.withLock { $0.head = head }
            beginning.succeed()
        }
        return loop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        let (taking, isTooLong) = state.withLock { state in
            if state.taking == nil { state.pieces.append(buffer) }
            let isTooLong = state.head != nil && state.pieces.reduce(0) { $0 + $1.readableBytes } > limit
            return (state.taking, isTooLong)
        }
        if let taking { take(buffer, taking, task) }
        return isTooLong
            ? loop.makeFailedFuture(NIOTooManyBytesError(maxBytes: limit)) : loop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) {
        let (head, pieces) = state.withLock { ($0.head, $0.pieces) }
        guard let head else { return }
        var body = ByteBuffer()
        for piece in pieces { body.writeImmutableBuffer(piece) }
        answering.succeed(.other(head, body: body))
    }

    private func take(_ piece: ByteBuffer, _ taking: Taking, _ task: HTTPClient.Task<Void>) {
        guard let room = taking(piece) else { return }
        state.withLock { $0.room = room }
        room.whenFailure { task.fail(reason: $0) }
    }
}

/// A file that has begun to come. `close` must be called.
struct OpenedFile: Sendable {
    let head: DownloadHead
    /// Names the request in the gateway's record of deliveries.
    let requestID: String
    let receiver: FileReceiver
    let task: HTTPClient.Task<Void>

    /// The event loop of its connection.
    var eventLoop: any EventLoop { task.eventLoop }

    /// The SHA-256 of the file, computed from what was sent, where a trailer has told it.
    var digest: String? { receiver.trailer?.sha256 }

    /// Gives `taking` the bytes to their end. Throws what AsyncHTTPClient and `taking` fail with. Ends early when the task is cancelled.
    func read(_ taking: @escaping FileReceiver.Taking) async throws {
        try await receiver.begin(task, taking)
        try await withTaskCancellationHandler {
            try await task.get()
        } onCancel: {
            task.cancel()
        }
    }

    /// Reads nothing more. Does nothing after the end.
    func close() {
        task.cancel()
        receiver.failed(CancellationError())
    }
}
