/// The error that a client gets when a call fails. Only `GatewayAPI` turns it into a problem document.
public struct GatewayError: Error, Sendable {
    public var code: ProblemCode
    /// What happened and what can be done. Safe for the client.
    public var detail: String
    /// The faults of single fields, with pointers into the request body.
    public var faults: [FieldFault]
    /// How long to wait before another attempt.
    public var retryAfter: Duration?
    /// What the upstream said, where it was asked.
    public var upstream: UpstreamErrorInfo?
    /// Further members of the problem document, such as the files to choose from.
    public var members: ProblemMembers?
    /// What the client's credential lacks, for `unauthenticated` and `forbidden`.
    public var challenge: BearerChallenge?
    /// The underlying error, for logs only.
    public var cause: (any Error)?

    /// Makes an error for a client.
    public init(
        _ code: ProblemCode,
        _ detail: String,
        faults: [FieldFault] = [],
        retryAfter: Duration? = nil,
        upstream: UpstreamErrorInfo? = nil,
        members: ProblemMembers? = nil,
        challenge: BearerChallenge? = nil,
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.detail = detail
        self.faults = faults
        self.retryAfter = retryAfter
        self.upstream = upstream
        self.members = members
        self.challenge = challenge
        self.cause = cause
    }

    /// Converts an adapter's error for a client. The pointers of `faults` get `prefix` before them.
    public init(_ error: ProviderError, faultsBelow prefix: String = "") {
        self.init(
            error.problem,
            error.detail,
            faults: error.faults.map { $0.below(prefix) },
            retryAfter: error.retryAfter,
            upstream: error.upstream,
            members: error.existing.map { .existing($0) },
            challenge: error.challenge.map {
                BearerChallenge(
                    .insufficientClaims,
                    claims: $0.encodedClaims,
                    authorizationURI: $0.authorizationURI.isEmpty ? nil : $0.authorizationURI
                )
            },
            cause: error
        )
    }
}

extension GatewayError {
    /// The error for an export that was purged.
    public static func purged(_ tombstone: ExportTombstone) -> GatewayError {
        GatewayError(
            .exportPurged,
            "The export \(tombstone.id) was purged at \(tombstone.purgedAt). It had ended as \(tombstone.status.rawValue) at "
                + "\(tombstone.completedAt).",
            members: .purged(tombstone)
        )
    }

    /// What is left of the export, where the error says that it was purged.
    public var tombstone: ExportTombstone? { if case .purged(let tombstone)? = members { tombstone } else { nil } }
}

/// A mistake in the configuration. It ends the process before it serves, and names the configuration key.
public struct StartupError: Error, Sendable, CustomStringConvertible {
    /// The configuration key, such as `connections[1].clientSecret`.
    public var key: String
    /// What is wrong and how to fix it. Never holds a secret.
    public var detail: String

    /// Makes an error about one key.
    public init(_ key: String, _ detail: String) {
        self.key = key
        self.detail = detail
    }

    public var description: String { "\(key): \(detail)" }
}
