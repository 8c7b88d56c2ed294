import Exports
import HTTPTypes

/// The limits on a request's head, well below those at which NIO drops the connection without an answer.
struct RequestLimits: Sendable {
    var maxTargetBytes: Int
    var maxHeaderBytes: Int

    /// Name, colon, space, value and line end, as they came over the wire.
    static func bytes(of field: HTTPField) -> Int { bytes(ofName: field.name.rawName, value: field.value) }

    /// As above.
    static func bytes(ofName name: String, value: String) -> Int { name.utf8.count + value.utf8.count + 4 }

    /// Throws `uriTooLong` or `headerFieldsTooLarge`.
    func check(_ head: HTTPRequest) throws(GatewayError) {
        guard (head.path?.utf8.count ?? 0) <= maxTargetBytes else {
            throw GatewayError(.uriTooLong, "The request target must not have more than \(maxTargetBytes) bytes.")
        }
        let bytes = head.headerFields.reduce(0) { $0 + Self.bytes(of: $1) }
        guard bytes <= maxHeaderBytes else {
            throw GatewayError(
                .headerFieldsTooLarge,
                "The header fields must not have more than \(maxHeaderBytes) bytes together."
            )
        }
    }
}
