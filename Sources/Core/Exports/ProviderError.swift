/// What an adapter may throw: a closed set, so that the engine needs no adapter's name.
public struct ProviderError: Error, Sendable {
    /// The kinds of failure. The raw value is the metric label: never reused for something else.
    public enum Code: String, Sendable, CaseIterable {
        /// The request can never work as it is; `faults` say why.
        case invalid
        /// The credentials are missing, wrong or expired.
        case unauthenticated
        /// The credentials are good, but not for this.
        case forbidden
        /// The upstream does not know the thing.
        case notFound
        /// It was there, and is no longer kept.
        case gone
        /// Another job stands in the way; `existing` names it.
        case conflict
        /// Asked to wait; `retryAfter` says how long. Nothing was started.
        case throttled
        /// Failed for now, nothing was started; worth another try.
        case transient
        /// It cannot be known whether the upstream started the job.
        case ambiguous
        /// The upstream accepted the start and does not say under which id its job runs. Never started again.
        case accepted
        /// The provider does not have this. Thrown without a network call.
        case unsupported
        /// Will fail the same way for ever.
        case permanent
    }

    public var code: Code
    /// The stable code a client gets to see.
    public var problem: ProblemCode
    /// What happened and what can be done, safe for the client. Never holds a secret.
    public var detail: String
    /// How long to wait before another try, where the upstream told.
    public var retryAfter: Duration?
    /// The id of the job in the way, for `conflict`.
    public var existing: String?
    /// What is wrong with which field, for `invalid`; pointers are relative to the provider's options object.
    public var faults: [FieldFault]
    /// What the upstream said.
    public var upstream: UpstreamErrorInfo?
    /// What a new token of the caller has to prove, where the upstream or its authority says so.
    public var challenge: ClaimsChallenge?
    /// Where the call stands, for the problem `queued`: the gateway's own request budget had no place.
    public var queue: QueuePlace?
    /// The error below this one, for logs only; its description must not reach a client.
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

    /// Whether it is the gateway's own request budget that had no place: the upstream was not asked.
    public var isOwnWait: Bool { problem == .queued }

    /// Whether the same call may succeed later without anybody's help, and cannot start a second job.
    public var isRetryable: Bool { code == .throttled || code == .transient }

    /// A name without values in it, fit for a metric's dimension.
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
