import Exports

extension DownloadRelay {
    /// What a 304 has to repeat (RFC 9110, 15.4.5); part of every answer.
    static func validators(
        _ file: ExportFile,
        _ export: Export,
        _ coding: ContentCoding
    ) -> [(name: String, value: String)] {
        [
            ("ETag", EntityTag(of: file, in: export.id, coding: coding).field),
            ("Vary", "Accept-Encoding"),
            ("Cache-Control", "private, no-transform"),
        ]
    }

    /// The fields of a 200, for `GET` and `HEAD` alike.
    static func headers(
        _ file: ExportFile,
        _ export: Export,
        _ coding: ContentCoding
    ) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = [
            ("Content-Type", "application/octet-stream"),
            ("Content-Disposition", ContentDisposition.attachment(named: file.name)),
            ("X-Content-Type-Options", "nosniff"),
            // Should a browser show it after all, then without scripts and without this origin.
            ("Content-Security-Policy", "sandbox"),
            ("Accept-Ranges", "none"),
        ]
        fields += validators(file, export, coding)
        if coding == .gzip { fields.append(("Content-Encoding", "gzip")) }
        return fields
    }
}
