import CallerIdentity
import Exports
import JSON
import SystemCrypto

/// The right to download one file once, for a program that cannot send a credential: a browser, a spreadsheet, `wget`.
struct Ticket: Sendable, Hashable {
    /// UUIDv7. It is stored with each delivery, and is no secret.
    var id: ExportID
    var export: ExportID
    var file: String
    /// Who made the ticket, and is accounted for what is downloaded with it.
    var caller: Caller
    var expiresAt: Timestamp
}

/// Writes tickets as texts for addresses, and reads them again. Nobody without the key can make or change one.
///
/// The text is base64url of the ticket, encrypted and authenticated with AES-256-GCM (`SealingKeys`): an address tells nothing of
/// caller, export or file.
struct TicketSeal: Sendable {
    /// The longest text that is read. Ids of callers and files are at most 256 and 64 bytes long.
    static let maxBytes = 2048
    private static let purpose = "export-gateway download ticket"
    private static let context = Array(purpose.utf8)

    private let keys: SealingKeys

    /// Derives its key from the one that all replicas share.
    init(key: SecretBytes) {
        keys = SealingKeys(derivedFrom: key.reveal(), for: Self.purpose)
    }

    /// The text of a ticket. Throws where the system's cryptography fails.
    func seal(_ ticket: Ticket) throws(CryptoError) -> String {
        let plain = JSONWriter.object { writer in
            writer.member("id", ticket.id.description)
            writer.member("export", ticket.export.description)
            writer.member("file", ticket.file)
            writer.member("caller", ticket.caller.id)
            writer.member("kind", ticket.caller.kind.rawValue)
            writer.member("readAll", .bool(ticket.caller.permissions.allow(.readAll)))
            writer.member("tokenEnd", ticket.caller.tokenEnd.map { .integer($0.milliseconds) })
            writer.member("expiresAt", .integer(ticket.expiresAt.milliseconds))
        }
        return Base64URL.encode(try keys.seal(plain, context: Self.context))
    }

    /// The ticket of a text; nil for a text that `seal` did not make with this key.
    func open(_ text: String) -> Ticket? {
        guard text.utf8.count <= Self.maxBytes, let sealed = Base64URL.decode(text),
            // Of the texts that stand for the same bytes, only one is the ticket's.
            Base64URL.encode(sealed) == text,
            let plain = try? keys.open(sealed, context: Self.context), let value = try? JSONValue(parsing: plain)
        else { return nil }
        return Ticket(value)
    }
}

extension Ticket {
    fileprivate init?(_ value: JSONValue) {
        guard let id = value["id"]?.string.flatMap({ ExportID($0) }),
            let export = value["export"]?.string.flatMap({ ExportID($0) }), let file = value["file"]?.string,
            let callerID = value["caller"]?.string,
            let kind = value["kind"]?.string.flatMap({ Caller.Kind(rawValue: $0) }),
            let expiresAt = value["expiresAt"]?.integer
        else { return nil }
        self.id = id
        self.export = export
        self.file = file
        caller = Caller(
            id: callerID,
            kind: kind,
            permissions: Permissions(value["readAll"] == .bool(true) ? [.download, .readAll] : [.download]),
            tokenEnd: value["tokenEnd"]?.integer.map { Timestamp(milliseconds: $0) }
        )
        self.expiresAt = Timestamp(milliseconds: expiresAt)
    }
}
