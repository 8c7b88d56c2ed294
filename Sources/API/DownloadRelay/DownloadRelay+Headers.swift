import HTTPFields
import Exports

/// The values that the header fields of a download are made from.
struct DownloadHead: Sendable {
    var file: ExportFile
    var export: ExportID
    var coding: ContentCoding
    /// What the upstream said, now or when the file was last opened.
    var facts: FileFacts?
    /// The part that is sent; nil is the whole file.
    var part: FilePart?
    /// The tag that the client sent in a matching `If-Range`: another name for the same bytes.
    var namedTag: EntityTag?

    /// The length of the plain file, where it is known.
    var size: Int64? { file.size ?? facts?.size }

    private var tag: EntityTag {
        namedTag ?? EntityTag(of: file, in: export, coding: coding, validator: facts?.validator)
    }

    /// The fields that a 304 has to repeat (RFC 9110, 15.4.5); part of every answer.
    var validators: [(name: String, value: String)] {
        [
            ("ETag", tag.field),
            ("Vary", "Accept-Encoding"),
            ("Cache-Control", "private, no-cache, no-transform"),
        ]
    }

    /// The fields of a 200 or 206, for `GET` and `HEAD` alike.
    ///
    /// - Parameter skipLimit: How far into a file a part can be served without the upstream's help.
    func fields(skipLimit: Int64) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = [
            ("Content-Type", "application/octet-stream"),
            ("Content-Disposition", ContentDisposition.attachment(named: file.name)),
            ("X-Content-Type-Options", "nosniff"),
            // If a browser shows the file anyway, it does so without scripts, and not in this origin.
            ("Content-Security-Policy", "sandbox"),
        ]
        fields += validators
        switch coding {
        case .gzip, .zstd:
            // No ranges: the encoding is made again for each request, so ranges of different answers would not fit together.
            fields.append(("Content-Encoding", coding.rawValue))
        case .identity:
            let canSkip = skipLimit > 0
            if size != nil, canSkip || facts?.servesRanges == true { fields.append(("Accept-Ranges", "bytes")) }
        }
        if let digest = file.sha256.flatMap({ DigestField.value(hexadecimal: $0) }) {
            if part == nil { fields.append((DigestField.unencoded, digest)) }
            // Without a coding, both fields have the same meaning. Libraries check this one (RFC 9530) and refuse a file that
            // differs, so the whole file has it only when two readings agree. For a part, this is the only field that clearly
            // means the whole file.
            if part != nil || (coding == .identity && file.digestState == .confirmed) {
                fields.append((DigestField.representation, digest))
            }
        }
        if let part { fields.append(("Content-Range", part.contentRange)) }
        return fields
    }
}
