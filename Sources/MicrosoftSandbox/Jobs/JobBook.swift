import Synchronization

/// Every job of this sandbox, by id, matched exactly; kept until the sandbox goes.
final class JobBook: Sendable {
    private struct State {
        var jobs: [String: Job] = [:]
        var order: [String] = []
    }

    private let state = Mutex(State())

    func count(where wanted: (Job) -> Bool) -> Int { state.withLock { $0.jobs.values.count(where: wanted) } }

    func job(_ id: String) -> Job? { state.withLock { $0.jobs[id] } }

    func add(_ job: Job) {
        state.withLock {
            $0.jobs[job.id] = job
            $0.order.append(job.id)
        }
    }

    /// Changes a job and gives back what became of it; nil where there is none.
    @discardableResult
    func update(_ id: String, _ change: (inout Job) -> Void) -> Job? {
        state.withLock {
            guard var job = $0.jobs[id] else { return nil }
            change(&job)
            $0.jobs[id] = job
            return job
        }
    }

    /// Jobs in the order of their start.
    func jobs(where wanted: (Job) -> Bool = { _ in true }) -> [Job] {
        state.withLock { state in state.order.compactMap { state.jobs[$0] }.filter(wanted) }
    }

    /// Adds a job unless one is there that stands in its way; then gives back that one.
    func add(_ job: Job, unless conflicts: (Job) -> Bool) -> Job? {
        state.withLock { state in
            if let other = state.jobs.values.first(where: conflicts) { return other }
            state.jobs[job.id] = job
            state.order.append(job.id)
            return nil
        }
    }
}
