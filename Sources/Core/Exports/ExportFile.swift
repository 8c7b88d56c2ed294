/// One file of an export. Where the upstream keeps it is never part of it.
///
/// Its size and digest are claims: one word of the upstream or one delivery may be wrong. Each says who made it and
/// whether anything independent agrees with it.
public struct ExportFile: Sendable, Hashable {
    /// Names the file within its export: `1`, `2`, … in the upstream's order.
    public var id: String
    /// The file's name as the upstream gives it; make it safe before it goes into a header.
    public var name: String
    /// Bytes, as far as known.
    public var size: Int64?
    /// Who told `size`; nil where there is none.
    public var sizeSource: Source?
    /// How well `size` is known; nil where there is none.
    public var sizeState: State?
    /// The media type of the file itself, when known.
    public var contentType: String?
    /// Lower-case hexadecimal SHA-256 of the whole file, when known. A later delivery is held against it either way.
    public var sha256: String? {
        // It belongs to these bytes and no others.
        didSet { if sha256 != oldValue { crc32 = nil } }
    }
    /// CRC-32 of the bytes that `sha256` is of, where the gateway has read them. As well known as that; not shown to callers.
    public var crc32: UInt32?
    /// Who computed `sha256`; nil where there is none.
    public var digestSource: Source?
    /// How well `sha256` is known; nil where there is none.
    public var digestState: State?

    /// Where a size or a digest comes from.
    public enum Source: String, Sendable, Hashable, Codable, CaseIterable {
        /// The upstream told it.
        case upstream
        /// The gateway, from the bytes that it read.
        case gateway
    }

    /// How well a size or a digest is known.
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// One reading of the file, or one word of the upstream: may be announced, and is dropped when a later body differs.
        case claimed
        /// Two independent readings agree, or it is the upstream's own digest: one body that differs is broken off, and only
        /// two that agree with each other replace it.
        case confirmed
    }

    /// Describes a file as the upstream does: its word on the size is a claim, its digest is not.
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

    /// Reads what any version wrote: one that told no states knew the upstream's own digest, and of everything else only
    /// that it was seen once.
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
            // The one delivery that told the digest told the size too, where the upstream had not.
            sizeSource = try values.decodeIfPresent(Source.self, forKey: .sizeSource) ?? digestSource ?? sizeSource
            sizeState = try values.decodeIfPresent(State.self, forKey: .sizeState) ?? sizeState
        }
    }
}
