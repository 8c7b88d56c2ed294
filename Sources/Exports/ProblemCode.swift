/// Every way in which a call or an export can fail: the `code` of a problem document (RFC 9457), stable for ever.
///
/// One list for the API, the ledger, the metrics and the documentation. The title is constant for each code.
public enum ProblemCode: String, Sendable, Codable, CaseIterable {
    // The request.
    case malformedRequest = "malformed-request"
    case invalidParameter = "invalid-parameter"
    case invalidExport = "invalid-export"
    case unauthenticated = "unauthenticated"
    case forbidden = "forbidden"
    case notFound = "not-found"
    case methodNotAllowed = "method-not-allowed"
    case notAcceptable = "not-acceptable"
    case requestTimeout = "request-timeout"
    case contentTooLarge = "content-too-large"
    case uriTooLong = "uri-too-long"
    case unsupportedMediaType = "unsupported-media-type"
    case headerFieldsTooLarge = "header-fields-too-large"
    case idempotencyKeyReused = "idempotency-key-reused"
    case idempotencyKeyInFlight = "idempotency-key-in-flight"
    case tooManyRequests = "too-many-requests"
    case internalError = "internal-error"
    case unavailable = "unavailable"

    // The files of an export.
    case notReady = "not-ready"
    case noResult = "no-result"
    case severalFiles = "several-files"
    case deliveredElsewhere = "delivered-elsewhere"
    case expired = "expired"

    // The upstream.
    case upstreamInvalidRequest = "upstream-invalid-request"
    case upstreamUnauthenticated = "upstream-unauthenticated"
    case upstreamAuthorizationRequired = "upstream-authorization-required"
    case upstreamForbidden = "upstream-forbidden"
    case upstreamNotFound = "upstream-not-found"
    case upstreamConflict = "upstream-conflict"
    case upstreamThrottled = "upstream-throttled"
    case upstreamUnavailable = "upstream-unavailable"
    case upstreamTimeout = "upstream-timeout"
    case upstreamBroken = "upstream-broken"
    case unsupportedByProvider = "unsupported-by-provider"

    // The end of an export.
    case submissionFailed = "submission-failed"
    case submissionUnconfirmed = "submission-unconfirmed"
    case secretLost = "secret-lost"
    case exportFailed = "export-failed"
    case exportPartiallySucceeded = "export-partially-succeeded"
    case upstreamBusy = "upstream-busy"
    case trackingTimedOut = "tracking-timed-out"
    case filesMissing = "files-missing"
    case canceled = "canceled"

    /// The problem's `title`.
    public var title: String {
        switch self {
        case .malformedRequest: "The request cannot be read"
        case .invalidParameter: "A parameter of the request is not valid"
        case .invalidExport: "The export that is asked for is not valid"
        case .unauthenticated: "A valid API key is needed"
        case .forbidden: "The caller may not do this"
        case .notFound: "There is nothing here"
        case .methodNotAllowed: "This resource does not have this method"
        case .notAcceptable: "Nothing here has an acceptable media type"
        case .requestTimeout: "The request took too long to arrive"
        case .contentTooLarge: "The request body is too large"
        case .uriTooLong: "The request target is too long"
        case .unsupportedMediaType: "The request body has an unsupported media type"
        case .headerFieldsTooLarge: "The request's header fields are too large"
        case .idempotencyKeyReused: "This idempotency key was used for another request"
        case .idempotencyKeyInFlight: "A request with this idempotency key is under way"
        case .tooManyRequests: "Too many requests"
        case .internalError: "The gateway failed"
        case .unavailable: "The gateway cannot take this request now"
        case .notReady: "The export is not finished"
        case .noResult: "The export ended without files"
        case .severalFiles: "The export has several files"
        case .deliveredElsewhere: "The export was delivered to the caller's own storage"
        case .expired: "The files of this export are no longer kept"
        case .upstreamInvalidRequest: "The upstream refused the export as invalid"
        case .upstreamUnauthenticated: "The upstream refused the gateway's credentials"
        case .upstreamAuthorizationRequired: "The caller's own upstream token is needed"
        case .upstreamForbidden: "The upstream forbids this"
        case .upstreamNotFound: "The upstream knows nothing of this"
        case .upstreamConflict: "Another export stands in the way at the upstream"
        case .upstreamThrottled: "The upstream asks to wait"
        case .upstreamUnavailable: "The upstream cannot be reached"
        case .upstreamTimeout: "The upstream did not answer in time"
        case .upstreamBroken: "The upstream's answer cannot be used"
        case .unsupportedByProvider: "The provider cannot do this"
        case .submissionFailed: "The upstream could not start the export"
        case .submissionUnconfirmed: "It is not known whether the export was started"
        case .secretLost: "The export's secret was lost before the start"
        case .exportFailed: "The export failed at the upstream"
        case .exportPartiallySucceeded: "The export succeeded in part"
        case .upstreamBusy: "The upstream stayed too busy to run the export"
        case .trackingTimedOut: "The upstream did not finish the export in time"
        case .filesMissing: "The upstream names no files for the export"
        case .canceled: "The export was canceled"
        }
    }

    /// The problem's `type`: a name, not an address, equal for ever.
    public var type: String { "urn:export-gateway:problem:\(rawValue)" }
}
