import HTTPFields
import Exports
import StoredZip
import SystemCrypto

/// An export's files as one archive: what is known of it before the upstream is called.
struct Archive: Sendable {
    struct Member: Sendable {
        var entry: ZipMember
        /// The file, with its size where the record or the last opening has it: the bytes are compared with it.
        var file: ExportFile
        /// What the archive says of it before its bytes; nil where not all of that is confirmed.
        var content: ZipContent?
    }

    let export: Export
    let members: [Member]
    /// The length of the whole archive; nil where the length of a member is unknown.
    let length: Int64?

    /// Makes the plan; nil where a name cannot be written, which `FileName` prevents.
    init?(of export: Export, known: KnownFiles) {
        self.export = export
        let modified = (export.completedAt ?? export.createdAt).milliseconds / 1000
        var members: [Member] = []
        for (name, file) in zip(FileName.distinct(export.files.map(\.name)), export.files) {
            guard let entry = ZipMember(name: name, modified: modified) else { return nil }
            var file = file
            let content = file.confirmedContent
            file.size = file.size ?? known.facts(of: file, in: export.id)?.size
            members.append(Member(entry: entry, file: file, content: content))
        }
        self.members = members
        let sizes = members.compactMap { member in
            member.file.size.map { (member.entry, size: $0, isTold: member.content != nil) }
        }
        length = sizes.count == members.count ? StoredZip.length(of: sizes) : nil
    }

    /// The tag of the archive. It is weak, like a member's tag whose bytes are not confirmed. It is made from the record alone,
    /// so that `HEAD`, `GET` and 304 agree.
    var tag: EntityTag {
        var digest = SHA256()
        for (member, file) in zip(members, export.files) {
            let tag = EntityTag(of: file, in: export.id, coding: .identity)
            for text in [tag.opaque, member.entry.name] {
                var bytes = Array(text.utf8)
                // A separator that is in neither of the texts.
                bytes.append(0)
                bytes.withUnsafeBytes { digest.update($0) }
            }
        }
        let name = Hexadecimal.encode(digest.finalize()).prefix(32)
        return EntityTag(opaque: "\(export.id).zip.\(name)", isWeak: true)
    }

    /// Weak comparison (RFC 9110, 13.1.2).
    func isNamed(by ifNoneMatch: String) -> Bool {
        if EntityTag.isAny(ifNoneMatch) { return true }
        guard export.files.allSatisfy(\.isVouchedFor) else { return false }
        let tag = tag
        return EntityTag.list(ifNoneMatch).contains { $0.opaque == tag.opaque }
    }

    /// The fields that a 304 has to repeat (RFC 9110, 15.4.5); part of every answer.
    var validators: [(name: String, value: String)] {
        [("ETag", tag.field), ("Vary", "Accept, Accept-Encoding"), ("Cache-Control", "private, no-transform")]
    }

    /// The fields of a 200, for `GET` and `HEAD` alike.
    var fields: [(name: String, value: String)] {
        [
            ("Content-Type", "application/zip"),
            ("Content-Disposition", ContentDisposition.attachment(named: export.name + ".zip")),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "sandbox"),
            ("Accept-Ranges", "none"),
        ] + validators
    }
}

extension ExportFile {
    /// Length and CRC-32, where both are confirmed. The CRC-32 is confirmed if the digest of the same bytes is.
    fileprivate var confirmedContent: ZipContent? {
        guard let size, let crc32, let length = UInt64(exactly: size), sizeState == .confirmed,
            digestState == .confirmed
        else { return nil }
        return ZipContent(length: length, checksum: crc32)
    }
}
