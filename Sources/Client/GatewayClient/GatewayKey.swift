public import Exports

/// What says who calls: an API key of the gateway, or an access token for it. It is never printed.
///
/// It is sent to the gateway's own address alone, as `Authorization: Bearer` (RFC 6750, 2.1:
/// https://www.rfc-editor.org/rfc/rfc6750#section-2.1); redirects are not followed.
public struct GatewayKey: Sendable, Hashable {
    /// The key itself, for a store that keeps it. `Secret` prints nothing of it.
    public let secret: Secret

    /// Reads a key, white space at both ends left out; nil for an empty one, and for what no header field can carry.
    public init?(_ text: String) {
        var bytes = Substring(text).utf8
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        while let first = bytes.first, isSpace(first) { bytes.removeFirst() }
        while let last = bytes.last, isSpace(last) { bytes.removeLast() }
        guard !bytes.isEmpty, bytes.count <= 16_384, bytes.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            return nil
        }
        secret = Secret(String(Substring(bytes)))
    }

    /// The value of a header field.
    var bearer: String { "Bearer " + secret.reveal() }
}
