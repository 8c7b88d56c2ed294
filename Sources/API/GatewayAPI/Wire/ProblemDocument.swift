import Exports
import HTTPTypes
import Hummingbird
import JSON
import Logging
import NIOCore

/// The only place where an error becomes an answer: `application/problem+json` (RFC 9457).
enum ProblemDocument {
    /// The status of each kind of problem.
    static func status(of code: ProblemCode) -> HTTPResponse.Status {
        switch code {
        case .malformedRequest, .invalidParameter: .badRequest
        case .unauthenticated, .upstreamClaimsRequired: .unauthorized
        // The credential is valid, but the call is not allowed: here, or upstream for this caller or account.
        case .forbidden, .upstreamAuthorizationRequired, .upstreamConsentRequired, .upstreamForbidden: .forbidden
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .notAcceptable: .notAcceptable
        case .requestTimeout: .requestTimeout
        case .idempotencyKeyInFlight, .notReady, .noResult, .severalFiles, .deliveredElsewhere, .upstreamConflict,
            .unsupportedByProvider, .submissionFailed, .submissionUnconfirmed, .secretLost, .exportFailed,
            .exportPartiallySucceeded, .trackingTimedOut, .filesMissing, .canceled, .submissionKnown, .upstreamIDInUse,
            .heldAfterRestore, .notPurgeable,
            .ticketNotPossible, .ticketInUse, .webhookLimit, .webhookDisabled, .webhooksUnavailable:
            .conflict
        case .expired, .exportPurged, .ticketUsed, .ticketExpired: .gone
        case .preconditionFailed: .preconditionFailed
        case .contentTooLarge: .contentTooLarge
        case .uriTooLong: .uriTooLong
        case .misdirectedRequest: .misdirectedRequest
        case .unsupportedMediaType: .unsupportedMediaType
        case .invalidExport, .invalidWebhook, .idempotencyKeyReused, .invalidConfiguration, .restartNeeded:
            .unprocessableContent
        case .tooManyRequests: .tooManyRequests
        case .rangeNotSatisfiable: .rangeNotSatisfiable
        case .upgradeRequired: .init(code: 426, reasonPhrase: "Upgrade Required")
        case .unsupportedTransferCoding: .notImplemented
        case .headerFieldsTooLarge: .requestHeaderFieldsTooLarge
        case .internalError: .internalServerError
        // The gateway's own credentials, or the request that it made, are wrong. The client cannot fix that.
        case .upstreamUnauthenticated, .upstreamInvalidRequest, .upstreamNotFound, .upstreamBroken,
            .fileChanged:
            .badGateway
        // Not 429, because the client has not sent too many requests. It may try again later.
        case .unavailable, .queued, .upstreamThrottled, .upstreamUnavailable, .upstreamBusy: .serviceUnavailable
        case .upstreamTimeout: .gatewayTimeout
        }
    }

    /// The answer to a request that failed.
    ///
    /// - Parameters:
    ///   - path: The request's path, for `instance`; no query, it may hold anything.
    static func response(to error: GatewayError, path: String?, requestID: String) -> Response {
        answer(to: error, path: path, requestID: requestID).response
    }

    /// The answer to a request that failed, and its body.
    static func answer(to error: GatewayError, path: String?, requestID: String) -> (
        response: Response, body: ByteBuffer
    ) {
        let status = status(of: error.code)
        var headers: HTTPFields = [.contentType: MediaType.problem.rawValue, .cacheControl: "no-store"]
        if let retryAfter = error.retryAfter { headers[.retryAfter] = String(retryAfter.wholeSecondsRoundedUp) }
        switch error.members {
        case .allow(let methods): headers[.allow] = methods.joined(separator: ", ")
        // RFC 9110, 14.4: the length of the file.
        case .size(let size): headers[.contentRange] = "bytes */\(size)"
        case .quota(let quota):
            let seconds = error.retryAfter?.wholeSecondsRoundedUp ?? 0
            RateLimitFields(met: quota, seconds: seconds).add(to: &headers)
        default: break
        }
        if error.code == .unsupportedMediaType { headers[.acceptPost] = MediaType.json.rawValue }
        headers[.wwwAuthenticate] = error.challenge.map { ChallengeField.text(of: $0) }
        let body = ByteBuffer(bytes: bytes(of: error, status: Int(status.code), path: path, requestID: requestID))
        return (Response(status: status, headers: headers, body: .init(byteBuffer: body)), body)
    }

    /// The text of the document.
    static func bytes(of error: GatewayError, status: Int, path: String?, requestID: String) -> [UInt8] {
        JSONWriter.object { writer in
            writer.member("type", error.code.type)
            writer.member("title", error.code.title)
            writer.member("status", .integer(Int64(status)))
            writer.member("code", error.code.rawValue)
            writer.member("detail", error.detail)
            writer.member("instance", path)
            writer.member("requestId", requestID)
            if !error.faults.isEmpty {
                writer.name("errors")
                writer.array(Array(error.faults.prefix(1000))) { writer, fault in
                    writer.object { writer in
                        writer.member("detail", fault.detail)
                        writer.member("pointer", fault.pointer)
                    }
                }
            }
            writer.member("upstream", upstream: error.upstream)
            if let members = error.members { writer.members(members) }
        }
    }

    /// The error for the client where an unexpected error was thrown. It reveals nothing of the cause.
    static func unexpected(_ error: any Error) -> GatewayError {
        switch error {
        case let error as GatewayError: error
        case is CancellationError:
            GatewayError(
                .unavailable,
                "The gateway is shutting down; try again.",
                retryAfter: .seconds(5),
                cause: error
            )
        default:
            GatewayError(
                .internalError,
                "The gateway failed; its log has the reason under this request id.",
                cause: error
            )
        }
    }

    /// Logs faults of the gateway and of upstreams with their cause. A client's own mistakes are not logged.
    static func report(_ problem: GatewayError, _ logger: Logger) {
        guard status(of: problem.code).code >= 500 else { return }
        var metadata: Logger.Metadata = ["code": .string(problem.code.rawValue)]
        if let id = problem.upstream?.requestId { metadata["upstream_request_id"] = .string(id) }
        switch problem.cause {
        case let cause as ProviderError: metadata["cause"] = .string(cause.label)
        // Only the type is logged: the description of a library's error may contain an address with a signature.
        case .some(let cause): metadata["cause"] = .string(String(reflecting: type(of: cause)))
        case nil: break
        }
        if problem.code == .internalError {
            logger.error("request failed", metadata: metadata)
        } else {
            logger.notice("request failed", metadata: metadata)
        }
    }
}
