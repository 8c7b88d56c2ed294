#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The secret that one webhook's messages are signed with, which its receiver has too. It is never printed.
///
/// 24 to 64 bytes; as a text, `whsec_` and their base64
/// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme).
public struct WebhookSecret: Sendable, Hashable {
    /// Why a text is no secret. `description` says how to fix it, and has nothing of the text in it.
    public enum Fault: Error, Sendable, Hashable, CustomStringConvertible {
        case noPrefix
        case notBase64
        case wrongLength(bytes: Int)

        public var description: String {
            switch self {
            case .noPrefix: "must begin with whsec_"
            case .notBase64: "must be whsec_ and base64 (RFC 4648, 4)"
            case .wrongLength(let bytes): "has \(bytes) bytes in its base64; it must have 24 to 64"
            }
        }
    }

    /// How many bytes a secret has.
    public static let byteCounts = 24...64
    private static let prefix = "whsec_"
    private static let newByteCount = 32

    let bytes: [UInt8]

    /// Makes a new secret of 32 bytes.
    ///
    /// - Parameter random: Gives as many unpredictable bytes as it is asked for, such as `randomBytes` of SystemCrypto.
    public init(random: (_ count: Int) -> [UInt8]) {
        bytes = random(Self.newByteCount)
        precondition(bytes.count == Self.newByteCount, "randomness of another length than asked for")
    }

    /// Reads the text of a secret, with or without the padding of its base64.
    public init(_ text: String) throws(Fault) {
        guard text.hasPrefix(Self.prefix) else { throw .noPrefix }
        let encoded = text.dropFirst(Self.prefix.count)
        let bare = encoded.prefix { $0 != "=" }
        let padding = encoded.utf8.count - bare.utf8.count
        let padded = bare + String(repeating: "=", count: (4 - bare.utf8.count % 4) % 4)
        // Spare bits that are not zero are refused: one secret has one text.
        guard padding == 0 || padded == encoded, let data = Data(base64Encoded: String(padded)),
            data.base64EncodedString() == padded
        else { throw .notBase64 }
        try self.init(bytes: Array(data))
    }

    init(bytes: [UInt8]) throws(Fault) {
        guard Self.byteCounts.contains(bytes.count) else { throw .wrongLength(bytes: bytes.count) }
        self.bytes = bytes
    }

    /// The text of the secret, for its owner, in the answer to the request that made it. Never for a log.
    public func reveal() -> String { Self.prefix + Data(bytes).base64EncodedString() }
}

extension WebhookSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
