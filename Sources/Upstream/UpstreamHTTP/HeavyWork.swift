import NIOPosix

/// A few threads for the reading of large answers: whoever decodes megabytes on the threads that everything else runs on holds
/// up everything else.
///
/// At most as much waits here as there are calls under way, and each answer is bounded by its call's limit.
struct HeavyWork: Sendable {
    /// What takes less is done at once, where it is asked for.
    static let threshold = 64 << 10
    static let threads = 2

    private let pool = NIOThreadPool(numberOfThreads: Self.threads)

    init() { pool.start() }

    /// What `work` makes of `size` bytes. Throws `CancellationError` when the task is cancelled before it began.
    func run<Value: Sendable>(on size: Int, _ work: @escaping @Sendable () -> Value) async throws -> Value {
        size < Self.threshold ? work() : try await pool.runIfActive(work)
    }

    /// Waits for what is under way.
    func shutdown() async throws { try await pool.shutdownGracefully() }
}
