/// The errors that an adapter may throw. The set is closed, so that the engine needs to know no adapter by name.
public struct ProviderError: Error, Sendable {
    /// The kinds of failure. The raw value is the metric label: never reused for something else.
    public enum Code: String, Sendable, CaseIterable {
        /// The request can never work as it is; `faults` say why.
        case invalid
        /// The credentials are missing, wrong or expired.
        case unauthenticated
        /// The credentials are valid, but not sufficient for this.
        case forbidden
        /// The upstream does not know the requested object.
        case notFound = "not-found"
        /// The object existed, and is no longer kept.
        case gone
        /// Another job prevents the start; `existing` names it.
        case conflict
        /// The upstream asked to wait; `retryAfter` says how long. Nothing was started.
        case throttled
        /// The call failed for now and may be repeated. Nothing was started.
        case transient
        /// It is unknown whether the upstream started the job.
        case ambiguous
        /// The upstream accepted the start, but did not say the id of its job. Never started again.
        case accepted
        /// The provider does not have this. Thrown without a network call.
        case unsupported
        /// The call will always fail in the same way.
        case permanent
    }

    public var code: Code
    /// The stable code that a client sees.
    public var problem: ProblemCode
    /// What happened and what can be done, safe for the client. Never holds a secret.
    public var detail: String
    /// How long to wait before another attempt, where the upstream said so.
    public var retryAfter: Duration?
    /// The id of the job that prevents the start, for `conflict`.
    public var existing: String?
    /// What is wrong with which field, for `invalid`; pointers are relative to the provider's options object.
    public var faults: [FieldFault]
    /// What the upstream said.
    public var upstream: UpstreamErrorInfo?
    /// What a new token of the caller has to prove, where the upstream or the authority requires it.
    public var challenge: ClaimsChallenge?
    /// The place of the call in the queue, for the problem `queued`: the gateway's own request budget had no place.
    public var queue: QueuePlace?
    /// The underlying error, for logs only. Its description must not reach a client.
    public var cause: (any Error)?

    /// Makes an error; `problem` follows from the code where it is not given.
    public init(
        _ code: Code,
        _ detail: String,
        problem: ProblemCode? = nil,
        retryAfter: Duration? = nil,
        existing: String? = nil,
        faults: [FieldFault] = [],
        upstream: UpstreamErrorInfo? = nil,
        challenge: ClaimsChallenge? = nil,
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.problem = problem ?? code.defaultProblem
        self.detail = detail
        self.retryAfter = retryAfter
        self.existing = existing
        self.faults = faults
        self.upstream = upstream
        self.challenge = challenge
        self.cause = cause
    }

    /// The request is refused; each fault names its field.
    public static func invalid(_ faults: [FieldFault]) -> ProviderError {
        ProviderError(.invalid, "The options are not valid: see errors.", problem: .invalidExport, faults: faults)
    }

    /// Whether the gateway's own request budget had no place, so that the upstream was not called.
    public var isOwnWait: Bool { problem == .queued }

    /// Whether the same call may succeed later without any change, and cannot start a second job.
    public var isRetryable: Bool { code == .throttled || code == .transient }

    /// A constant name, for a metric's label.
    public var label: String { code.rawValue }
}

extension ProviderError.Code {
    fileprivate var defaultProblem: ProblemCode {
        switch self {
        case .invalid: .upstreamInvalidRequest
        case .unauthenticated: .upstreamUnauthenticated
        case .forbidden: .upstreamForbidden
        case .notFound: .upstreamNotFound
        case .gone: .expired
        case .conflict: .upstreamConflict
        case .throttled: .upstreamThrottled
        case .transient: .upstreamUnavailable
        case .ambiguous, .accepted: .submissionUnconfirmed
        case .unsupported: .unsupportedByProvider
        case .permanent: .upstreamBroken
        }
    }
}
