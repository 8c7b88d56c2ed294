#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The queue of a pool and the threads that work through it.
///
/// Unchecked: every access to its state holds `lock`. It is a lock of the C library, because the threads wait on a condition
/// variable, which `Mutex` does not support.
final class BlockJobs: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let work: UnsafeMutablePointer<pthread_cond_t>
    private let threads: Int
    private var started = 0
    private var idle = 0
    private var isStopped = false
    /// The jobs; those before `next` were taken by threads.
    private var jobs: [BlockJob?] = []
    private var next = 0
    private var used: [Block] = []

    init(threads: Int) {
        self.threads = threads
        lock = .allocate(capacity: 1)
        work = .allocate(capacity: 1)
        lock.initialize(to: pthread_mutex_t())
        work.initialize(to: pthread_cond_t())
        pthread_mutex_init(lock, nil)
        pthread_cond_init(work, nil)
    }

    deinit {
        // No thread is running any more, because each of them holds a reference to this object.
        pthread_cond_destroy(work)
        pthread_mutex_destroy(lock)
        work.deallocate()
        lock.deallocate()
    }

    func stop() {
        locked { isStopped = true }
        pthread_cond_broadcast(work)
    }

    func add(_ job: BlockJob) {
        let isTaken = locked {
            if idle == 0, started < threads, startThread() { started += 1 }
            guard started > 0 else { return false }
            jobs.append(job)
            // A busy thread looks for jobs before it waits, so only a waiting thread has to be woken.
            if idle > 0 { pthread_cond_signal(work) }
            return true
        }
        if !isTaken { job.stream.finished(job.number, .failure(GzipError(code: .outOfMemory, status: 0))) }
    }

    func block() -> Block {
        locked { used.popLast() } ?? Block()
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }

    private func startThread() -> Bool {
        let reference = Unmanaged.passRetained(self)
        #if canImport(Darwin)
        var thread: pthread_t?
        #else
        var thread = pthread_t()
        #endif
        let status = pthread_create(&thread, nil, blockThread, reference.toOpaque())
        guard status == 0 else {
            reference.release()
            return false
        }
        #if canImport(Darwin)
        if let thread { pthread_detach(thread) }
        #else
        pthread_detach(thread)
        #endif
        return true
    }

    /// The work of a thread, until the pool is gone.
    fileprivate func run() {
        let compressor = BlockCompressor()
        while let job = take() {
            if job.stream.isWanted {
                let begin = ContinuousClock.now
                let result = Result {
                    var block = try job.coder.compress(job.block, rung: job.rung, on: compressor)
                    block.work = ContinuousClock.now - begin
                    return block
                }
                giveBack(job.block)
                job.stream.finished(job.number, result)
            } else {
                giveBack(job.block)
            }
        }
    }

    private func take() -> BlockJob? {
        locked {
            while true {
                if isStopped { return nil }
                if next < jobs.count {
                    defer {
                        next += 1
                        if next == jobs.count {
                            jobs.removeAll(keepingCapacity: true)
                            next = 0
                        } else if next >= 64, next * 2 > jobs.count {
                            jobs.removeFirst(next)
                            next = 0
                        }
                    }
                    let job = jobs[next]
                    jobs[next] = nil
                    return job
                }
                idle += 1
                pthread_cond_wait(work, lock)
                idle -= 1
            }
        }
    }

    private func giveBack(_ block: Block) {
        // Returned if there are enough: it is then freed after the lock is released.
        _ = locked { () -> Block? in
            guard used.count <= threads else { return block }
            used.append(block)
            return nil
        }
    }
}

private func blockThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<BlockJobs>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
