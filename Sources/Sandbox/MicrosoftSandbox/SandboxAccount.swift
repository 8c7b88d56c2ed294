import Exports

/// What happened in a sandbox so far.
public struct SandboxAccount: Sendable {
    /// One file of a job that has ended with files.
    public struct File: Sendable {
        /// Its name, where the service tells one.
        public var name: String
        /// Its length in bytes.
        public var size: Int64
        fileprivate var spec: FileSpec
        fileprivate var digests: FileDigests

        /// The SHA-256 of its bytes, in hexadecimal. Computed on the first reading (about a second for a gibibyte), then
        /// kept.
        public var sha256: String { digests.sha256(of: spec) }
    }

    /// One job.
    public struct Job: Sendable {
        /// The service that runs it, by the id of the provider that calls it.
        public var service: String
        /// The service's id of it.
        public var id: String
        /// outputName or displayName, the explorer view's id, or the report's name.
        public var name: String
        /// The description that the caller gave it.
        public var marker: String?
        /// When it was started.
        public var startedAt: Timestamp
        /// Its status now, in the service's own spelling.
        public var status: String
        /// Its files, once it has ended with some.
        public var files: [File]
    }

    /// One call.
    public struct Call: Sendable, Hashable {
        /// The request's method.
        public var method: String
        /// The path as it came, without the query.
        public var path: String
        /// The service that was called: that of a job, or `entra-id`, `managed-identity` or `download`.
        public var service: String
        /// The name that rules use.
        public var operation: String
        /// The part of a file that it asked for, as written in `Range`.
        public var range: String?
        /// The entity tag that the part had to be of, as written in `If-Range`.
        public var ifRange: String?
        /// The status it was answered with; 0 where the connection was cut instead.
        public var status: Int
        /// When it came.
        public var at: Timestamp
    }

    /// Every job, oldest first.
    public var jobs: [Job]
    /// The last 20,000 calls, oldest first; those to the control plane are not among them.
    public var calls: [Call]
    /// How often each operation was called, all calls counted.
    public var counts: [String: Int]
    /// How many access tokens were issued by each kind of proof: `clientSecret`, `certificate`, `federatedCredential`,
    /// `onBehalfOf`, `refreshToken`, `imds`, `appService`.
    public var tokens: [String: Int]
}

extension World {
    var account: SandboxAccount {
        let now = time.now()
        let (calls, counts) = calls.snapshot()
        return SandboxAccount(
            jobs: jobs.all.map { account(of: $0, at: now) },
            calls: calls,
            counts: counts,
            tokens: tokens.issued
        )
    }

    private func account(of job: Job, at now: Timestamp) -> SandboxAccount.Job {
        SandboxAccount.Job(
            service: job.kind.service,
            id: job.id,
            name: job.name,
            marker: job.marker,
            startedAt: job.createdAt,
            status: job.statusText(at: now),
            files: job.hasFiles(at: now)
                ? job.files.map { SandboxAccount.File(name: $0.name, size: $0.size, spec: $0, digests: digests) } : []
        )
    }
}
