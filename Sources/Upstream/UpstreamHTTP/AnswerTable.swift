public import Exports

/// The kind of call that an upstream has answered.
public enum UpstreamStep: Sendable, Hashable {
    /// The start of a job: 4xx means that nothing was started, 5xx that it is not known.
    case start
    /// A job, or a list of them.
    case read
    /// The address of a finished job's file.
    case link
    /// A finished job's file, from the API itself.
    case file
    /// A finished job's file, from a host that serves nothing else.
    case storage

    /// Whether the job is known to have succeeded, so that a missing file is not there yet, or not any more.
    var isAfterSuccess: Bool { self == .link || self == .file || self == .storage }
}

/// Which answers are temporary and which are final, for each kind of call. The same for all APIs.
///
/// The upstream's own error code decides first; this table decides by the status alone.
public enum AnswerTable {
    /// What the status means. Any code but `transient`, `throttled` and `ambiguous` is final.
    ///
    /// A start's 503 with a `Retry-After` is a refusal (RFC 9110, 15.6.4): nothing was started. After a success, 400 of an API
    /// (Graph's `getDownloadUrl` says so before the file is there), 202, 204 and 409 mean "not yet".
    public static func meaning(of response: UpstreamResponse, during step: UpstreamStep) -> ProviderError.Code {
        if response.status == 503, response.headers["retry-after"] != nil { return .throttled }
        switch (response.status, step) {
        case (429, _): return .throttled
        case (500..., .start): return .ambiguous
        case (509, _): return .throttled
        case (500..., _): return .transient
        case (408, _), (423, _), (425, _): return .transient
        case (202, _) where step.isAfterSuccess, (204, _) where step.isAfterSuccess: return .transient
        case (409, .start): return .conflict
        case (409, _): return .transient
        case (400, .link), (400, .file): return .transient
        case (400, .start), (413, .start), (422, .start): return .invalid
        case (401, _): return .unauthenticated
        case (402, _), (403, _): return .forbidden
        case (404, .file), (404, .storage), (410, .file), (410, .storage): return .gone
        case (404, _), (410, .start): return .notFound
        case (410, _): return .gone
        default: return .permanent
        }
    }

    /// The wait that an answer asks for. An answer without `Retry-After` that means "not yet" after a success gets
    /// `RetryAfter.fallback`, so that callers are told when to come back. Nil for all others.
    public static func wait(after response: UpstreamResponse, during step: UpstreamStep) -> Duration? {
        if let wait = response.retryAfter { return wait }
        let passes = meaning(of: response, during: step) == .transient && response.status < 500
        return passes && step.isAfterSuccess ? RetryAfter.fallback : nil
    }

    /// The words for an answer whose status says nothing about the export.
    public static func unexpected(from service: String, _ status: Int) -> String {
        (300..<400).contains(status)
            ? "\(service) answered with a redirection, which is not followed."
            : "\(service) gave an answer that cannot be used (status \(status))."
    }

    /// The error of an answer that is not a success: that of a start that was refused for capacity, else what `meaning` makes of the
    /// body, with the upstream's own words and its wait.
    ///
    /// `service` is the subject of a sentence. `trustsWords` says whether a refusal's message alone decides that capacity is missing.
    public static func error(
        _ response: UpstreamResponse,
        during step: UpstreamStep,
        service: String,
        trustsWords: Bool,
        meaning: (UpstreamErrorBody) -> ProviderError
    ) -> ProviderError {
        let body = response.errorBody
        if step == .start, let refusal = busy(response, body, service: service, trustsWords: trustsWords) {
            return refusal
        }
        var error = meaning(body)
        if step == .start { error.detail += guessAtCapacity(body) }
        error.upstream = response.errorInfo(body)
        if error.isRetryable { error.retryAfter = wait(after: response, during: step) ?? error.retryAfter }
        return error
    }

    /// The error of a start that was refused because the upstream is at its capacity: it is tried again, within the time for starts. Nil
    /// for other refusals, and for 429, which is throttling whatever its code. `trustsWords` says whether the message alone decides.
    private static func busy(
        _ response: UpstreamResponse,
        _ body: UpstreamErrorBody,
        service: String,
        trustsWords: Bool
    ) -> ProviderError? {
        guard (400...499).contains(response.status), response.status != 429 else { return nil }
        guard isBusy(body) || trustsWords && saysThatJobsAreAtTheirMaximum(body) else { return nil }
        return ProviderError(
            .throttled,
            "\(service) has too much to do to start the export now.",
            problem: .upstreamBusy,
            retryAfter: response.retryAfter,
            upstream: response.errorInfo(body)
        )
    }

    /// A sentence to add to a refusal whose message speaks of too many jobs, where the message does not decide. Empty for all others.
    private static func guessAtCapacity(_ body: UpstreamErrorBody) -> String {
        saysThatJobsAreAtTheirMaximum(body)
            ? " Perhaps as many jobs run as may: then try again later, or have the gateway do so with the connection's retryOnCapacityText."
            : ""
    }

    /// Whether a refused start says by its code that the upstream has too much to do: then nothing was started, and there may be
    /// capacity later. Microsoft documents `activityLimitReached` for Graph
    /// (https://learn.microsoft.com/graph/errors) and `CapacityLimitExceeded` and `TooManyRequestsForCapacity` for Fabric
    /// (https://learn.microsoft.com/fabric/enterprise/throttling).
    public static func isBusy(_ body: UpstreamErrorBody) -> Bool { busyCodes.contains { body.has($0) } }

    private static let busyCodes = [
        "activityLimitReached", "TooManyRequests", "CapacityLimitExceeded", "TooManyRequestsForCapacity",
    ]

    /// Whether a refused start says in words what Purview says when as many jobs run as an organization may have: "Your request
    /// can't be started because the maximum number of jobs for your organization are currently running." Which status and
    /// code come with it is documented nowhere (`Upstream-GraphEDiscovery, Limits`). Whether words decide is the operator's choice.
    public static func saysThatJobsAreAtTheirMaximum(_ body: UpstreamErrorBody) -> Bool {
        let words = (body.message ?? "").lowercased()
        return words.contains("maximum number of jobs") && words.contains("currently running")
    }
}
