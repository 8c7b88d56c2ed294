import Exports

extension Exchange.Failure {
    /// What the client is told.
    var error: GatewayError {
        switch self {
        case .malformed: GatewayError(.malformedRequest, "The bytes sent are not an HTTP/1.1 request.")
        case .unknownTransferCoding:
            GatewayError(
                .unsupportedTransferCoding,
                "The only transfer coding of a request body that is understood is chunked, alone and with HTTP/1.1."
            )
        case .headerTooLarge: GatewayError(.headerFieldsTooLarge, "The header fields are far too large, or too many.")
        case .noMemory:
            GatewayError(
                .unavailable,
                "The gateway has no memory left for requests with header fields of this size; try again.",
                retryAfter: .seconds(1)
            )
        case .needsHTTP11:
            GatewayError(
                .upgradeRequired,
                "The length of the answer is not known beforehand, so that HTTP/1.0 could not tell its end from a "
                    + "break. Ask with HTTP/1.1; of nginx, that is proxy_http_version 1.1."
            )
        }
    }
}
