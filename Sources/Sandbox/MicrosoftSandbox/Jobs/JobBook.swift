import Exports
import Synchronization

/// Every job of this sandbox, by id, matched exactly; kept until the sandbox goes.
final class JobBook: Sendable {
    private struct State {
        /// In the order of their start.
        var jobs: [Job] = []
        var places: [String: Int] = [:]
        var counts: [Job.Kind: Int] = [:]
        /// The newest job for each thing that only one job at a time may run for.
        var holders: [String: Int] = [:]
    }

    private let state = Mutex(State())

    func job(_ id: String) -> Job? { state.withLock { state in state.places[id].map { state.jobs[$0] } } }

    func count(of kind: Job.Kind) -> Int { state.withLock { $0.counts[kind] ?? 0 } }

    /// Adds a job, unless one that holds the same thing is still open; then gives back that one.
    @discardableResult
    func add(_ job: Job, holding thing: String? = nil) -> Job? {
        state.withLock { state in
            if let thing, let holder = state.holders[thing], state.jobs[holder].isOpen(at: job.createdAt) {
                return state.jobs[holder]
            }
            if let thing { state.holders[thing] = state.jobs.count }
            state.places[job.id] = state.jobs.count
            state.jobs.append(job)
            state.counts[job.kind, default: 0] += 1
            return nil
        }
    }

    /// Changes a job and gives back what became of it; nil where there is none.
    @discardableResult
    func update(_ id: String, _ change: (inout Job) -> Void) -> Job? {
        state.withLock { state in
            guard let place = state.places[id] else { return nil }
            change(&state.jobs[place])
            return state.jobs[place]
        }
    }

    /// A file of a job that has ended with files.
    func file(_ index: Int, of id: String, at now: Timestamp) -> FileSpec? {
        guard let job = job(id), job.hasFiles(at: now), job.files.indices.contains(index) else { return nil }
        return job.files[index]
    }

    /// All jobs in the order of their start.
    var all: [Job] { state.withLock { $0.jobs } }

    /// At most `limit` jobs, the newest first.
    func newest(_ limit: Int, where wanted: (Job) -> Bool) -> [Job] {
        let jobs = all
        var found: [Job] = []
        for job in jobs.reversed() where found.count < limit && wanted(job) { found.append(job) }
        return found
    }
}
