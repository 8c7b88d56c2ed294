/// One file of an export. Its address at the upstream is never part of it.
///
/// Its size and digest are claims: one statement of the upstream, or one delivery, may be wrong. Each claim says who made it,
/// and whether something independent agrees with it.
public struct ExportFile: Sendable, Hashable {
    /// The file's id within its export: `1`, `2`, … in the upstream's order.
    public var id: String
    /// The file's name as the upstream gives it. It must be sanitized before it is written to a header.
    public var name: String
    /// The size in bytes, if known.
    public var size: Int64?
    /// The source of `size`; nil where there is none.
    public var sizeSource: Source?
    /// How well `size` is known; nil where there is none.
    public var sizeState: State?
    /// The media type of the file itself, when known.
    public var contentType: String?
    /// Lower-case hexadecimal SHA-256 of the whole file, when known. Each later delivery is compared with it, claimed or
    /// confirmed.
    public var sha256: String? {
        // The CRC-32 is of the bytes with this digest.
        didSet { if sha256 != oldValue { crc32 = nil } }
    }
    /// CRC-32 of the bytes of `sha256`, where the gateway has read them. It has the state of `sha256`, and is not shown to
    /// callers.
    public var crc32: UInt32?
    /// Who computed `sha256`; nil where there is none.
    public var digestSource: Source?
    /// How well `sha256` is known; nil where there is none.
    public var digestState: State?

    /// Where a size or a digest comes from.
    public enum Source: String, Sendable, Hashable, Codable, CaseIterable {
        /// The upstream.
        case upstream
        /// The gateway, from the bytes that it read.
        case gateway
    }

    /// How well a size or a digest is known.
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// One reading of the file, or one statement of the upstream. It may be announced, and is dropped when a later body
        /// differs.
        case claimed
        /// Two independent readings agree, or it is the upstream's own digest. One body that differs is broken off; only two that
        /// agree with each other replace it.
        case confirmed
    }

    /// Describes a file as the upstream does. The upstream's size is only claimed, its digest is confirmed.
    public init(id: String, name: String, size: Int64? = nil, contentType: String? = nil, sha256: String? = nil) {
        self.id = id
        self.name = name
        self.size = size
        sizeSource = size.map { _ in .upstream }
        sizeState = size.map { _ in .claimed }
        self.contentType = contentType
        self.sha256 = sha256
        digestSource = sha256.map { _ in .upstream }
        digestState = sha256.map { _ in .confirmed }
    }
}

extension ExportFile: Codable {
    private enum CodingKeys: CodingKey {
        case id, name, size, sizeSource, sizeState, contentType, sha256, crc32, digestSource, digestState
    }

    /// Reads what any version wrote. Where no states were stored, the upstream's own digest is confirmed, and everything else is
    /// claimed.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            id: try values.decode(String.self, forKey: .id),
            name: try values.decode(String.self, forKey: .name),
            size: try values.decodeIfPresent(Int64.self, forKey: .size),
            contentType: try values.decodeIfPresent(String.self, forKey: .contentType),
            sha256: try values.decodeIfPresent(String.self, forKey: .sha256)
        )
        if sha256 != nil {
            crc32 = try values.decodeIfPresent(UInt32.self, forKey: .crc32)
            digestSource = try values.decodeIfPresent(Source.self, forKey: .digestSource) ?? digestSource
            let known: State = digestSource == .upstream ? .confirmed : .claimed
            digestState = try values.decodeIfPresent(State.self, forKey: .digestState) ?? known
        }
        if size != nil {
            // Where the upstream gave no size, the delivery that found the digest also found the size.
            sizeSource = try values.decodeIfPresent(Source.self, forKey: .sizeSource) ?? digestSource ?? sizeSource
            sizeState = try values.decodeIfPresent(State.self, forKey: .sizeState) ?? sizeState
        }
    }
}
