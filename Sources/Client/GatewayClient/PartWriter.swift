import DequeModule
import NIOCore
import Synchronization

/// Gathers the bytes of a file into batches for the disk, on the event loop of the connection.
///
/// Batches are written one after the other, while the next one comes. Their number is limited where `take` is called as it says.
final class PartWriter: Sendable {
    private struct State {
        var pieces: [ByteBuffer] = []
        var size = 0
        var received: Int64 = 0
        var underWay: Deque<EventLoopFuture<Void>> = []
    }

    private let part: PartFile
    private let disk: DiskThreads
    private let loop: any EventLoop
    private let onReach: @Sendable (Int64) -> Void
    private let state = Mutex(State())

    /// So many bytes are handed to the disk at a time.
    private static let batch = 256 << 10
    /// Where so many batches wait for the disk, or are being written, no more bytes are read. With one alone, the client would stop
    /// reading as soon as it is full.
    private static let batchesUnderWay = 2

    /// - Parameter onReach: Called after each batch, on a thread of the disk, with the number of bytes in the file.
    init(
        _ part: PartFile,
        _ disk: DiskThreads,
        on loop: any EventLoop,
        onReach: @escaping @Sendable (Int64) -> Void
    ) {
        (self.part, self.disk, self.loop, self.onReach) = (part, disk, loop, onReach)
    }

    /// Takes bytes. With a future, take more only when it has succeeded; it fails as the disk did.
    func take(_ piece: ByteBuffer) -> EventLoopFuture<Void>? {
        state.withLock { state in
            state.pieces.append(piece)
            state.size += piece.readableBytes
            guard state.size >= Self.batch else { return nil }
            write(&state)
            return state.underWay.count >= Self.batchesUnderWay ? state.underWay.removeFirst() : nil
        }
    }

    /// Hands the rest to the disk: how many bytes were taken altogether, and when they are written.
    func end() -> (bytes: Int64, written: EventLoopFuture<Void>?) {
        state.withLock { state in
            if state.size > 0 { write(&state) }
            return (state.received, state.underWay.last)
        }
    }

    private func write(_ state: inout State) {
        let (pieces, part, onReach) = (state.pieces, part, onReach)
        state.underWay.append(
            disk.begin(on: loop, after: state.underWay.last) { onReach(try part.append(pieces)) }
        )
        state.received += Int64(state.size)
        (state.pieces, state.size) = ([], 0)
    }
}
