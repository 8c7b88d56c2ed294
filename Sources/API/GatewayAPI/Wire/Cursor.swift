import Exports
import SystemCrypto

/// The place between two pages: the last entry shown, authenticated together with the list that it belongs to.
///
/// `base64url(id ‖ HMAC-SHA256)`: it cannot be made up, and cannot be used with another list. It grants no rights.
struct Cursor: Sendable {
    /// The list that is paged.
    enum List {
        case exports(ExportFilter)
        case deliveries(of: ExportID, requestID: String?)

        fileprivate var parts: [String] {
            switch self {
            case .exports(let filter):
                [
                    "exports", filter.provider?.rawValue ?? "", filter.status?.rawValue ?? "", filter.connection ?? "",
                    filter.createdBy ?? "", filter.createdAfter?.description ?? "",
                    filter.createdBefore?.description ?? "",
                ]
            case .deliveries(let id, let requestID): ["deliveries", id.description, requestID ?? ""]
            }
        }
    }

    private let key: SecretBytes

    /// Uses a key that all replicas share.
    init(key: SecretBytes) {
        self.key = key
    }

    /// The text of a cursor that goes on after `id`.
    func seal(_ id: ExportID, in list: List) -> String {
        let payload = Self.payload(id)
        return Base64URL.encode(payload + code(payload, list))
    }

    /// The entry to continue after. Throws `invalidParameter` for a cursor that the gateway did not make for this list.
    func open(_ text: String, in list: List) throws(GatewayError) -> ExportID {
        let bytes = text.utf8.count <= 512 ? Base64URL.decode(text) ?? [] : []
        guard bytes.count == 16 + SHA256.byteCount,
            constantTimeEquals(Array(bytes[16...]), code(Array(bytes[..<16]), list)),
            let id = Self.id(Array(bytes[..<16]))
        else {
            throw .invalidParameter(
                "cursor",
                "must be the nextCursor of a page of the same list; start again without it"
            )
        }
        return id
    }

    private func code(_ payload: [UInt8], _ list: List) -> [UInt8] {
        // Each part is preceded by its length, so that no two lists give the same bytes.
        let context = list.parts.flatMap { Array("\($0.utf8.count):\($0)".utf8) }
        return HMACSHA256.authenticationCode(for: payload + context, key: key.reveal())
    }

    private static func payload(_ id: ExportID) -> [UInt8] {
        Hexadecimal.decode(id.description.filter { $0 != "-" }) ?? []
    }

    private static func id(_ bytes: [UInt8]) -> ExportID? {
        let digits = Array(Hexadecimal.encode(bytes))
        guard digits.count == 32 else { return nil }
        let groups = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
        return ExportID(groups.map { String($0) }.joined(separator: "-"))
    }
}
