import NIOPosix

/// A few threads that decode large answers. To decode megabytes on the threads of Swift's tasks would delay all other tasks.
///
/// At most one answer of each call waits here, and its size is bounded by the call's limit.
struct HeavyWork: Sendable {
    /// Smaller answers are decoded at once, on the calling thread.
    static let threshold = 64 << 10
    static let threads = 2

    private let pool = NIOThreadPool(numberOfThreads: Self.threads)

    init() { pool.start() }

    /// Runs `work` on `size` bytes. Throws `CancellationError` when the task is cancelled before the work began.
    func run<Value: Sendable>(on size: Int, _ work: @escaping @Sendable () -> Value) async throws -> Value {
        size < Self.threshold ? work() : try await pool.runIfActive(work)
    }

    /// Waits for the work under way, and ends the threads.
    func shutdown() async throws { try await pool.shutdownGracefully() }
}
