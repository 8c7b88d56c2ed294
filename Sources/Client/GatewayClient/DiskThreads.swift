import NIOCore
import NIOPosix

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
        try await begin(work).get()
    }

    /// Begins `work`, which the caller waits for before it begins more.
    func begin<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) -> EventLoopFuture<Value> {
        pool.runIfActive(eventLoop: MultiThreadedEventLoopGroup.singleton.any(), work)
    }
}
