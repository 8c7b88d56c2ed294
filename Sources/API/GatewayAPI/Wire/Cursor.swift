import Audit
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
        /// Of one caller, or of all.
        case webhooks(owner: String?)
        case messages(of: ExportID, state: String?)
        /// By time, or in the order of the chain.
        case audit(AuditFilter, isByTime: Bool)

        fileprivate var parts: [String] {
            switch self {
            case .exports(let filter):
                [
                    "exports", filter.provider?.rawValue ?? "", filter.status?.rawValue ?? "", filter.connection ?? "",
                    filter.createdBy ?? "", filter.createdAfter?.description ?? "",
                    filter.createdBefore?.description ?? "",
                ]
            case .deliveries(let id, let requestID): ["deliveries", id.description, requestID ?? ""]
            case .webhooks(let owner): ["webhooks", owner == nil ? "all" : "own", owner ?? ""]
            case .messages(let id, let state): ["messages", id.description, state ?? ""]
            case .audit(let filter, let isByTime):
                [
                    "audit", isByTime ? "time" : "chain", filter.action?.rawValue ?? "", filter.caller ?? "",
                    filter.exportID?.description ?? "", filter.from?.description ?? "", filter.to?.description ?? "",
                ]
            }
        }
    }

    private let key: SecretBytes

    /// Uses a key that all replicas share.
    init(key: SecretBytes) {
        self.key = key
    }

    /// The text of a cursor that goes on after `id`.
    func seal(_ id: ExportID, in list: List) -> String { seal(Self.payload(id), list) }

    /// The text of a cursor that goes on after an entry with a number.
    func seal(_ number: Int64, in list: List) -> String {
        seal(Array(repeating: 0, count: 8) + Self.bytes(number), list)
    }

    /// The text of a cursor that goes on after a row of the audit trail.
    func seal(_ place: AuditPlace, in list: List) -> String {
        seal([place.time.milliseconds, place.sequence].flatMap(Self.bytes), list)
    }

    /// The row of the audit trail to continue after. Throws like `open`.
    func openPlace(_ text: String, in list: List) throws(GatewayError) -> AuditPlace {
        guard let payload = payload(text, list) else { throw Self.otherCursor }
        return AuditPlace(
            time: Timestamp(milliseconds: Self.number(payload.prefix(8))),
            sequence: Self.number(payload.suffix(8))
        )
    }

    private static func bytes(_ number: Int64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
    }

    private static func number(_ bytes: some Sequence<UInt8>) -> Int64 { bytes.reduce(0) { $0 << 8 | Int64($1) } }

    private func seal(_ payload: [UInt8], _ list: List) -> String {
        Base64URL.encode(payload + code(payload, list))
    }

    /// The entry to continue after. Throws `invalidParameter` for a cursor that the gateway did not make for this list.
    func open(_ text: String, in list: List) throws(GatewayError) -> ExportID {
        guard let id = payload(text, list).flatMap(Self.id) else { throw Self.otherCursor }
        return id
    }

    /// The number of the entry to continue after. Throws like `open`.
    func openNumber(_ text: String, in list: List) throws(GatewayError) -> Int64 {
        guard let payload = payload(text, list) else { throw Self.otherCursor }
        return Self.number(payload.suffix(8))
    }

    private static let otherCursor = GatewayError.invalidParameter(
        "cursor",
        "must be the nextCursor of a page of the same list; start again without it"
    )

    /// The entry that a cursor names; nil for a cursor that the gateway did not make for this list.
    private func payload(_ text: String, _ list: List) -> [UInt8]? {
        let bytes = text.utf8.count <= 512 ? Base64URL.decode(text) ?? [] : []
        guard bytes.count == 16 + SHA256.byteCount else { return nil }
        let payload = Array(bytes[..<16])
        return constantTimeEquals(Array(bytes[16...]), code(payload, list)) ? payload : nil
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
