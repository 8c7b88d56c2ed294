import NIOCore
import NIOPosix
import Synchronization

/// Threads that write to the disk and digest, so that neither event loops nor the threads of tasks wait for it.
struct DiskThreads: Sendable {
    private let pool: NIOThreadPool

    /// - Parameter count: One for each file that is written at a time.
    init(count: Int) {
        pool = NIOThreadPool(numberOfThreads: max(1, count))
        pool.start()
    }

    func shutdown() async throws { try await pool.shutdownGracefully() }

    /// Runs `work` and waits for it. Work that has begun is finished, whatever becomes of the task.
    func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await begin(on: anyLoop, work).get()
    }

    /// Runs `work` and waits for it. It takes long, and asks between its steps whether the task is cancelled.
    func run<Value: Sendable>(
        cancellable work: @escaping @Sendable (CancellationFlag) throws -> Value
    ) async throws -> Value {
        let flag = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await begin(on: anyLoop) { try work(flag) }.get()
        } onCancel: {
            flag.raise()
        }
    }

    /// Begins `work`, whose end is told on `loop`. Work that was begun earlier may still be running.
    private func begin<Value: Sendable>(
        on loop: any EventLoop,
        _ work: @escaping @Sendable () throws -> Value
    ) -> EventLoopFuture<Value> {
        pool.runIfActive(eventLoop: loop, work)
    }

    private var anyLoop: any EventLoop { MultiThreadedEventLoopGroup.singleton.any() }

    /// Begins `work`, whose end is told on `loop`, when `previous` has succeeded. Where `previous` fails, `work` is not done, and fails
    /// with the same error.
    func begin(
        on loop: any EventLoop,
        after previous: EventLoopFuture<Void>?,
        _ work: @escaping @Sendable () throws -> Void
    ) -> EventLoopFuture<Void> {
        guard let previous else { return begin(on: loop, work) }
        return previous.hop(to: loop).flatMap { begin(on: loop, work) }
    }
}

/// Tells work on a thread that its task is cancelled.
final class CancellationFlag: Sendable {
    private let isRaised = Atomic(false)

    func raise() { isRaised.store(true, ordering: .relaxed) }

    /// Throws `CancellationError` where nobody waits for the work any more.
    func check() throws(CancellationError) {
        if isRaised.load(ordering: .relaxed) { throw CancellationError() }
    }
}
