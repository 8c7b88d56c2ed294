import Exports
import HTTPTypes
import Memory

/// The limits on a request's head, well below those at which NIO drops the connection without an answer.
struct RequestLimits: Sendable {
    var maxTargetBytes: Int
    var maxHeaderBytes: Int
    /// Trailers included.
    var maxHeaderFields: Int

    /// The bytes of name, colon, space, value and line end on the wire.
    static func bytes(of field: HTTPField) -> Int { bytes(ofName: field.name.rawName, value: field.value) }

    /// The same for a name and a value.
    static func bytes(ofName name: String, value: String) -> Int { name.utf8.count + value.utf8.count + 4 }

    /// The bytes of the target and of all fields. Throws `uriTooLong` or `headerFieldsTooLarge`.
    func check(_ head: HTTPRequest) throws(GatewayError) -> Int {
        guard (head.path?.utf8.count ?? 0) <= maxTargetBytes else {
            throw GatewayError(.uriTooLong, "The request target must not have more than \(maxTargetBytes) bytes.")
        }
        let bytes = head.headerFields.reduce(0) { $0 + Self.bytes(of: $1) }
        guard bytes <= maxHeaderBytes else { throw tooLarge }
        return bytes + (head.path?.utf8.count ?? 0)
    }

    /// The error for more fields or trailers than a request may have.
    var tooLarge: GatewayError {
        GatewayError(
            .headerFieldsTooLarge,
            "The header fields of a request must not have more than \(maxHeaderBytes) bytes together, and not be more than "
                + "\(maxHeaderFields), trailers included; trailers must not have more than \(RequestBytes.readAhead) bytes."
        )
    }

    /// The error when there is no memory for a head.
    static func refusal(_ refusal: MemoryRefusal) -> GatewayError {
        switch refusal {
        case .caller:
            GatewayError(
                .tooManyRequests,
                "The header fields of this caller's requests under way take as much memory as one caller's may. "
                    + "Try again when some of them have been answered.",
                retryAfter: .seconds(1)
            )
        case .full, .released:
            GatewayError(
                .unavailable,
                "The gateway has no memory left for requests with header fields of this size; try again.",
                retryAfter: .seconds(1)
            )
        }
    }
}
