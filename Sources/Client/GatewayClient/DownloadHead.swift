import HTTPFields
import NIOHTTP1
import SystemCrypto

/// What the head of a download's answer says.
struct DownloadHead: Sendable, Hashable {
    /// Whether it is a part of the file (206).
    var isPart = false
    /// The validator, where it is strong: it may stand in `If-Range` (RFC 9110, 13.1.5).
    var validator: String?
    /// The bytes to come, where they are announced.
    var length: Int64?
    /// The first byte of a part, and the length of the whole file.
    var range: PartRange?
    /// The SHA-256 of the whole file, where the gateway knows it.
    var sha256: String?

    struct PartRange: Sendable, Hashable {
        var first: Int64
        var last: Int64
        var total: Int64

        /// Reads `bytes 0-1/2` (RFC 9110, 14.4); nil for anything else.
        init?(_ field: String) {
            guard let match = field.wholeMatch(of: /bytes ([0-9]{1,18})-([0-9]{1,18})\/([0-9]{1,18})/),
                let first = Int64(match.1), let last = Int64(match.2), let total = Int64(match.3), first <= last,
                last < total
            else { return nil }
            (self.first, self.last, self.total) = (first, last, total)
        }
    }

    init(isPart: Bool = false, fields: HTTPHeaders) {
        self.isPart = isPart
        length = fields.first(name: "content-length").flatMap { Int64($0) }
        range = isPart ? fields.first(name: "content-range").flatMap(PartRange.init) : nil
        validator = fields.first(name: "etag").flatMap { EntityTag(ifRange: $0) }.flatMap { $0.isWeak ? nil : $0.field }
        sha256 = fields.sha256
    }

    init(_ head: HTTPResponseHead) {
        self.init(isPart: head.status == .partialContent, fields: head.headers)
    }
}

extension HTTPHeaders {
    /// The SHA-256 of the whole, plain file in lower-case hexadecimal: `Unencoded-Digest`
    /// (draft-ietf-httpbis-unencoded-digest) or, of a file without a coding, `Repr-Digest` (RFC 9530, 3).
    var sha256: String? {
        for name in ["unencoded-digest", "repr-digest"] {
            for element in self[name].flatMap({ FieldList.elements(of: $0) }) {
                guard let match = element.wholeMatch(of: /sha-256=:([A-Za-z0-9+\/]{43}=):/) else { continue }
                let text = match.1.replacing("+", with: "-").replacing("/", with: "_")
                if let bytes = Base64URL.decode(text, paddingAllowed: true) { return Hexadecimal.encode(bytes) }
            }
        }
        return nil
    }
}
