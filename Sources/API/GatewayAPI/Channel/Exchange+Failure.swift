import Exports
import HTTPTypes
import Memory
import NIOCore
import NIOHTTP1
import NIOSSL
import SystemCrypto

extension Exchange.Failure {
    /// Converts an error of the pipeline; nil for an error of the connection itself.
    init?(of error: any Error) {
        switch error {
        case HTTPParserError.headerOverflow: self = .headerTooLarge
        case is HTTPParserError: self = .malformed
        case is RequestHeadHandler.UnknownTransferCoding: self = .unknownTransferCoding
        case is MemoryRefusal: self = .noMemory
        case is IOError, is ChannelError, is NIOSSLError, is BoringSSLError, is NIOSSLExtraError,
            is NIOSSLCloseTimedOutError:
            return nil
        // A head that is valid HTTP, but that the codec refuses.
        default: self = .malformed
        }
    }

    /// The error for the client.
    func error(_ limits: RequestLimits) -> GatewayError {
        switch self {
        case .malformed: GatewayError(.malformedRequest, "The bytes that were sent are not an HTTP/1.1 request.")
        case .unknownTransferCoding:
            GatewayError(
                .unsupportedTransferCoding,
                "The only transfer coding of a request body that is understood is chunked, alone and with HTTP/1.1."
            )
        case .malformedHead:
            GatewayError(
                .malformedRequest,
                "The request needs a method, a path, a scheme (http or https), and one host in :authority or Host; where both are "
                    + "there, they must be the same."
            )
        case .headerTooLarge: limits.tooLarge
        case .noMemory: RequestLimits.refusal(.full)
        case .needsHTTP11:
            GatewayError(
                .upgradeRequired,
                "The length of the answer is not known beforehand, so that HTTP/1.0 could not tell its end from a "
                    + "break. Ask with HTTP/1.1; of nginx, that is proxy_http_version 1.1."
            )
        }
    }

    /// The answer for the client, a problem document.
    func answer(_ limits: RequestLimits) -> (head: HTTPResponse, body: ByteBuffer) {
        var random = SystemRandom()
        let requestID = RequestID.make(using: &random)
        let error = error(limits)
        let status = ProblemDocument.status(of: error.code)
        let body = ProblemDocument.bytes(of: error, status: Int(status.code), path: nil, requestID: requestID)
        var head = HTTPResponse(
            status: status,
            headerFields: [
                .contentType: MediaType.problem.rawValue, .contentLength: String(body.count), .cacheControl: "no-store",
                .requestID: requestID,
            ]
        )
        if let retryAfter = error.retryAfter {
            head.headerFields[.retryAfter] = String(retryAfter.wholeSecondsRoundedUp)
        }
        return (head, ByteBuffer(bytes: body))
    }
}
