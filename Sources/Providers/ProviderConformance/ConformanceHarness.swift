public import Exports
public import JSON

/// What the suite must know of an upstream, and what it can do to it: the hands of an adapter's test.
///
/// All closures speak of one account at one upstream, which the suite has for itself. A fault that a closure puts in
/// force stays in force for every call until `clearFaults`. What an upstream cannot do is left nil: the checks that need
/// it are skipped, and `ProviderConformance.skipped` names them.
public struct ConformanceHarness: Sendable {
    /// Options that must be refused, and the pointers that must be named.
    public struct InvalidOptions: Sendable {
        public var options: JSONValue
        public var pointers: Set<String>

        /// Makes a case; each pointer must be among the faults.
        public init(_ options: JSONValue, _ pointers: String...) {
            self.options = options
            self.pointers = Set(pointers)
        }
    }

    /// Options that hold a secret.
    public struct SecretOptions: Sendable {
        public var options: JSONValue
        /// Where in the options it stands.
        public var pointer: String
        /// Its text.
        public var secret: String

        /// Makes a case of a secret at a pointer.
        public init(_ options: JSONValue, at pointer: String, secret: String) {
            self.options = options
            self.pointer = pointer
            self.secret = secret
        }
    }

    /// A file as the upstream has it.
    public struct File: Sendable, Hashable {
        /// Its name; nil where the upstream tells none.
        public var name: String?
        public var size: Int64
        /// What `digest` makes of its bytes.
        public var digest: String

        /// Describes a file.
        public init(name: String? = nil, size: Int64, digest: String) {
            self.name = name
            self.size = size
            self.digest = digest
        }
    }

    // What is examined.

    /// A provider with a fresh connection: nothing is held back because of earlier calls.
    public var makeProvider: @Sendable () async throws -> any ExportProvider
    /// Valid options for one more job, which no running job stands in the way of.
    public var options: @Sendable () -> JSONValue
    /// Further valid options, for the checks of the validation.
    public var furtherOptions: [JSONValue] = []
    /// Options that are refused; unknown members, wrong types and nulls are tried anyway.
    public var invalidOptions: [InvalidOptions] = []
    /// Whether this connection observes its jobs one by one although the provider declares more: an interface of the
    /// upstream's whose list fails.
    public var observesOneByOne = false
    /// Options with a secret, where there are any.
    public var secretOptions: SecretOptions?
    /// What travels with every call.
    public var context: CallContext
    /// How long a cancelled call may take to return, in real time.
    public var patience: Duration = .seconds(10)

    // What is seen of the upstream.

    /// The upstream's clock.
    public var now: @Sendable () -> Timestamp
    /// How many calls have arrived so far.
    public var networkCalls: @Sendable () async -> Int
    /// How many jobs have been started so far.
    public var startedJobs: @Sendable () async -> Int
    /// The files of a job that succeeded, in the upstream's order.
    public var files: @Sendable (UpstreamReference) async throws -> [File]
    /// A digest of bytes, SHA-256 or another that no broken download meets by chance.
    public var digest: @Sendable ([UInt8]) -> String
    /// Every secret that must not be handed out: tokens issued, links signed.
    public var secrets: @Sendable () async -> [String] = { [] }

    // What is done to the upstream.

    /// Brings every job that is under way about halfway.
    public var advanceJobs: (@Sendable () async throws -> Void)?
    /// Brings every job that is under way to its end.
    public var finishJobs: @Sendable () async throws -> Void
    /// Ends every fault.
    public var clearFaults: @Sendable () async -> Void = {}

    /// Jobs started from now on end as failed.
    public var failJobs: (@Sendable () async throws -> Void)?
    /// Jobs show a status that nobody has heard of.
    public var showUnknownStatus: (@Sendable () async throws -> Void)?
    /// Every call is refused and asked to wait so long.
    public var throttle: (@Sendable (Duration) async throws -> Void)?
    /// Every call fails with an error of the server's, no job is started.
    public var failCalls: (@Sendable () async throws -> Void)?
    /// Starts break off before their answer; whether the job is started nonetheless is told.
    public var cutStarts: (@Sendable (_ started: Bool) async throws -> Void)?
    /// Every token is refused.
    public var rejectTokens: (@Sendable () async throws -> Void)?
    /// Downloads break off after so many bytes.
    public var cutDownloads: (@Sendable (_ afterBytes: Int64) async throws -> Void)?
    /// Jobs started from now on have their files where parts of them are served; nil where that is so anyway.
    public var serveParts: (@Sendable () async throws -> Void)?
    /// Finished files are no longer kept.
    public var expireFiles: (@Sendable () async throws -> Void)?
    /// No call is answered; the closure that comes back returns once a call hangs.
    public var stallCalls: (@Sendable () async throws -> @Sendable () async -> Void)?

    /// A reference to a job that does not exist, made from one that does.
    public var missing: @Sendable (UpstreamReference) -> UpstreamReference = {
        UpstreamReference(id: "00000000-0000-4000-8000-00000000dead", context: $0.context)
    }

    /// A marker that no job was started with, made from one that was: another id, unless the upstream recognises jobs
    /// by something else.
    public var foreign: @Sendable (SubmissionMarker) -> SubmissionMarker = { marker in
        var random = SystemRandomNumberGenerator()
        return SubmissionMarker(
            exportID: ExportID(at: marker.notBefore, random: &random),
            exportName: marker.exportName,
            notBefore: marker.notBefore
        )
    }

    /// Makes a harness with what every upstream has; the rest is set as far as the upstream can.
    public init(
        makeProvider: @escaping @Sendable () async throws -> any ExportProvider,
        options: @escaping @Sendable () -> JSONValue,
        context: CallContext,
        now: @escaping @Sendable () -> Timestamp,
        networkCalls: @escaping @Sendable () async -> Int,
        startedJobs: @escaping @Sendable () async -> Int,
        files: @escaping @Sendable (UpstreamReference) async throws -> [File],
        digest: @escaping @Sendable ([UInt8]) -> String,
        finishJobs: @escaping @Sendable () async throws -> Void
    ) {
        self.makeProvider = makeProvider
        self.options = options
        self.context = context
        self.now = now
        self.networkCalls = networkCalls
        self.startedJobs = startedJobs
        self.files = files
        self.digest = digest
        self.finishJobs = finishJobs
    }
}
