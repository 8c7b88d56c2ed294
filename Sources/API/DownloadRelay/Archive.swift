import HTTPFields
import Exports
import StoredZip
import SystemCrypto

/// An export's files as one archive: what is known of it before any upstream is asked.
struct Archive: Sendable {
    struct Member: Sendable {
        var entry: ZipMember
        /// With its size, where the record or the last opening tells it: the bytes are held against it.
        var file: ExportFile
        /// What is told of it before its bytes; nil where not all of that is confirmed.
        var content: ZipContent?
    }

    let export: Export
    let members: [Member]
    /// The length of the whole archive; nil where that of a member is not known.
    let length: Int64?

    /// Makes the plan; nil where a name cannot be written, which `ArchiveNames` does not let happen.
    init?(of export: Export, known: KnownFiles) {
        self.export = export
        let modified = (export.completedAt ?? export.createdAt).milliseconds / 1000
        var members: [Member] = []
        for (name, file) in zip(ArchiveNames.of(export.files), export.files) {
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

    /// Weak, as those of the members are where nothing vouches for their bytes. Made of the record alone: `HEAD`, `GET` and
    /// 304 agree.
    var tag: EntityTag {
        var digest = SHA256()
        for (member, file) in zip(members, export.files) {
            let tag = EntityTag(of: file, in: export.id, coding: .identity)
            for text in [tag.opaque, member.entry.name] {
                var bytes = Array(text.utf8)
                // A byte that neither of them holds.
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

    /// What a 304 has to repeat (RFC 9110, 15.4.5); part of every answer.
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
    /// Length and CRC-32, where both are confirmed: the latter is as well known as the digest of the same bytes.
    fileprivate var confirmedContent: ZipContent? {
        guard let size, let crc32, let length = UInt64(exactly: size), sizeState == .confirmed,
            digestState == .confirmed
        else { return nil }
        return ZipContent(length: length, checksum: crc32)
    }
}
