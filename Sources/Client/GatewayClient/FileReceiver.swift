import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization

/// The answer to the request for a file, as `ReadGate` finds it in the connection: on the event loop, and before AsyncHTTPClient, which
/// would take each piece to another thread, and drop what it has when the connection breaks.
///
/// It is also AsyncHTTPClient's delegate for the exchange. `ReadGate` leaves AsyncHTTPClient empty pieces, so the delegate only ends the
/// exchange where something has failed.
final class FileReceiver: HTTPClientResponseDelegate {
    /// Takes bytes on the event loop. No more should be read before the future has succeeded. Its error ends the exchange.
    typealias Taking = @Sendable (ByteBuffer) -> EventLoopFuture<Void>?

    enum Answer: Sendable {
        /// The head of a file (200 or 206).
        case file(HTTPResponseHead)
        /// Anything else, whole.
        case other(HTTPResponseHead, body: ByteBuffer)
    }

    private enum Phase {
        case waiting
        /// An answer that is no file.
        case gathering(HTTPResponseHead, ByteBuffer)
        /// The pieces of a file that nobody takes yet.
        case holding([ByteBuffer])
        case passing(Taking)
        /// What still comes is dropped.
        case over
    }

    private struct State {
        var phase = Phase.waiting
        /// Before it succeeds, nothing more should be read; without one, at once.
        var space: EventLoopFuture<Void>?
        var failure: (any Error)?
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

    /// Before it succeeds, nothing more should be read; without one, at once.
    var space: EventLoopFuture<Void>? { state.withLock { $0.space } }

    /// The fields after the last byte.
    var trailer: HTTPHeaders? { state.withLock { $0.trailer } }

    /// Gives `taking` what has come of the file, and from now on what comes. Returns when it has what has come.
    func begin(_ taking: @escaping Taking) async throws {
        try await loop.submit {
            self.state.withLock { state in
                guard case .holding(let pieces) = state.phase else { return }
                state.phase = .passing(taking)
                state.space = nil
                for piece in pieces { self.pass(piece, to: taking, &state) }
            }
            self.beginning.succeed()
        }
        .get()
    }

    /// The exchange has failed. What came of a file can be taken.
    func failed(_ error: any Error) {
        answering.fail(error)
        beginning.fail(error)
    }

    /// Nobody wants more: nothing is taken after this returns.
    func end() {
        state.withLock { $0.phase = .over }
        failed(CancellationError())
    }

    // What the connection reads, on its event loop.

    func read(_ head: HTTPResponseHead) {
        guard head.status.code >= 200 else { return }
        let isFile = head.status == .ok || head.status == .partialContent
        let isWanted = state.withLock { state in
            guard case .waiting = state.phase else { return false }
            state.phase = isFile ? .holding([]) : .gathering(head, ByteBuffer())
            state.space = isFile ? beginning.futureResult : nil
            return true
        }
        if isFile, isWanted { answering.succeed(.file(head)) }
    }

    func read(_ piece: ByteBuffer) {
        state.withLock { state in
            switch state.phase {
            case .waiting, .over: break
            case .gathering(let head, var body):
                state.phase = .over
                guard body.readableBytes + piece.readableBytes <= limit else {
                    state.failure = NIOTooManyBytesError(maxBytes: limit)
                    return
                }
                body.writeImmutableBuffer(piece)
                state.phase = .gathering(head, body)
            case .holding(var pieces):
                state.phase = .over
                pieces.append(piece)
                state.phase = .holding(pieces)
            case .passing(let taking): pass(piece, to: taking, &state)
            }
        }
    }

    func read(trailer: HTTPHeaders) { state.withLock { $0.trailer = trailer } }

    private func pass(_ piece: ByteBuffer, to taking: Taking, _ state: inout State) {
        guard let space = taking(piece) else { return }
        state.space = space
        // On the next turn of the loop, because this one holds the lock that the closure takes.
        loop.execute { space.whenFailure { error in self.state.withLock { $0.failure = error } } }
    }

    // What AsyncHTTPClient asks.

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        let failure = state.withLock { $0.failure }
        return failure.map { loop.makeFailedFuture($0) } ?? loop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) {
        let answer = state.withLock { state -> Answer? in
            guard case .gathering(let head, let body) = state.phase else { return nil }
            return .other(head, body: body)
        }
        if let answer {
            answering.succeed(answer)
            beginning.succeed()
        }
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

    /// Gives `taking` the bytes to their end, and none after this returns. Throws what AsyncHTTPClient and `taking` fail with, and
    /// `HTTPClientError.cancelled` when the task is cancelled.
    func read(_ taking: @escaping FileReceiver.Taking) async throws {
        defer { close() }
        try await receiver.begin(taking)
        try await withTaskCancellationHandler {
            try await task.get()
        } onCancel: {
            task.cancel()
        }
    }

    /// Reads nothing more. Does nothing after the end.
    func close() {
        task.cancel()
        receiver.end()
    }
}
