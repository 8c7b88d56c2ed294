public import NIOCore

/// Runs the asynchronous code of a connection on the connection's event loop.
///
/// Without it, each step of a request would go from the event loop to Swift's thread pool and back, and wake two threads. Code that
/// takes long must not run on the loop: see `withTaskExecutorPreference`.
public final class EventLoopTaskExecutor: TaskExecutor {
    private let loop: any EventLoop

    /// Runs on `loop`.
    public init(_ loop: any EventLoop) {
        self.loop = loop
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
