import Exports
import JSON
import ScriptedHost
import Synchronization

/// Entra ID, one eDiscovery case and one Power BI report, which allow five calls in any minute of their own clock and refuse
/// every further one. A job ends a while after its start.
final class LimitedUpstream: Sendable {
    struct Job: Sendable {
        var id: String
        var startedAt: Timestamp
        var endsAt: Timestamp
        /// What was asked for with it.
        var name: String
        var polls = 0
    }

    struct State: Sendable {
        var jobs: [Job] = []
        /// When each call was received that counts.
        var received: [Timestamp] = []
        var refused = 0
        var lists: [Timestamp] = []
    }

    static let allowed = 5
    static let content = "id,amount\n1,1\n"

    let time: ScaledTime
    let jobDuration: Duration
    let state = Mutex(State())

    init(time: ScaledTime, jobDuration: Duration) {
        (self.time, self.jobDuration) = (time, jobDuration)
    }

    func answer(_ request: ScriptedUpstream.Request, origin: String) -> ScriptedUpstream.Answer {
        if request.path.hasSuffix("/token") {
            return .json(["token_type": "Bearer", "expires_in": 86_400, "access_token": "limited"])
        }
        if request.path.hasPrefix("/blob/") { return .text(Self.content, headers: [("Content-Type", "text/csv")]) }
        let now = time.now()
        let isAllowed = state.withLock { state in
            let window = state.received.suffix(Self.allowed)
            guard window.count < Self.allowed || now - window[window.startIndex] >= .seconds(60) else {
                state.refused += 1
                return false
            }
            state.received.append(now)
            return true
        }
        guard isAllowed else { return .empty(429, headers: [("Retry-After", "10")]) }
        if request.path.hasSuffix("/file") { return .text(Self.content, headers: [("Content-Type", "text/csv")]) }
        if request.method == "POST" { return start(request, at: now, origin: origin) }
        if request.path.hasSuffix("/operations") {
            let jobs = state.withLock { state in
                state.lists.append(now)
                return state.jobs
            }
            return .json(["value": .array(jobs.map { operation($0, at: now, origin: origin) })])
        }
        let id = request.path.split(separator: "/").last.map(String.init) ?? ""
        let job = state.withLock { state -> Job? in
            guard let index = state.jobs.firstIndex(where: { $0.id == id }) else { return nil }
            state.jobs[index].polls += 1
            return state.jobs[index]
        }
        guard let job else { return .json(["error": ["code": "NotFound", "message": "?"]], status: 404) }
        return .json(
            request.path.contains("/myorg/") ? report(job, at: now) : operation(job, at: now, origin: origin)
        )
    }

    private func start(_ request: ScriptedUpstream.Request, at now: Timestamp, origin: String)
        -> ScriptedUpstream.Answer
    {
        let job = state.withLock { state in
            let number = state.jobs.count + 1
            let digits = String(number)
            let job = Job(
                id: "00000000-0000-4000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits,
                startedAt: now,
                endsAt: now + jobDuration,
                name: request.body?["displayName"]?.string ?? ""
            )
            state.jobs.append(job)
            return job
        }
        if request.path.hasSuffix("/ExportTo") {
            return .json(["id": .string(job.id), "status": "NotStarted", "percentComplete": 0], status: 202)
        }
        let base = request.path.split(separator: "/searches/", maxSplits: 1)[0]
        return .empty(202, headers: [("Location", "\(origin)\(base)/operations('\(job.id)')")])
    }

    private func operation(_ job: Job, at now: Timestamp, origin: String) -> JSONValue {
        let hasEnded = job.endsAt <= now
        let file: JSONValue = [
            "fileName": "file.csv", "size": .integer(Int64(Self.content.utf8.count)),
            "downloadUrl": .string("\(origin)/blob/\(job.id)/0"),
        ]
        return [
            "id": .string(job.id), "action": "exportResult", "status": hasEnded ? "succeeded" : "running",
            "percentProgress": hasEnded ? 100 : 50, "createdDateTime": .string(job.startedAt.description),
            "completedDateTime": hasEnded ? .string(job.endsAt.description) : .null,
            "displayName": .string(job.name), "exportFileMetadata": hasEnded ? [file] : .null,
        ]
    }

    private func report(_ job: Job, at now: Timestamp) -> JSONValue {
        let hasEnded = job.endsAt <= now
        return [
            "id": .string(job.id), "status": hasEnded ? "Succeeded" : "Running",
            "percentComplete": hasEnded ? 100 : 50, "createdDateTime": .string(job.startedAt.description),
            "lastActionDateTime": .string((hasEnded ? job.endsAt : now).description), "reportName": "file",
            "resourceFileExtension": ".csv", "expirationTime": .string((now + .seconds(86_400)).description),
        ]
    }

    /// The most calls that were received in any minute.
    var mostInAMinute: Int {
        state.withLock { state in
            var (first, most) = (0, 0)
            for (last, time) in state.received.enumerated() {
                while time - state.received[first] >= .seconds(60) { first += 1 }
                most = max(most, last - first + 1)
            }
            return most
        }
    }
}
