import HTTPFields
import Exports

/// Which files become shorter with a content coding. It uses tables, because the bytes have not come yet when this is decided.
enum CompressibleTypes {
    /// Whether a content coding is worth its processor time for this file.
    ///
    /// It checks the media type and the file name's extension, because upstreams often send a general type. One of them must
    /// say yes, and none may say no: compressing compressed bytes costs time and makes them longer.
    static func gain(_ file: ExportFile) -> Bool {
        let words = [file.contentType.flatMap(mediaTypeGains), fileExtension(of: file.name).flatMap { extensions[$0] }]
        return words.contains(true) && !words.contains(false)
    }

    /// Whether the file itself is a web page, by its type or its name.
    static func isWebPage(_ file: ExportFile) -> Bool {
        if let type = file.contentType, isWebPage(mediaType: type) { return true }
        return fileExtension(of: file.name).map { ["html", "htm", "xhtml", "mht", "mhtml"].contains($0) } ?? false
    }

    /// Whether a `Content-Type` names a web page.
    static func isWebPage(mediaType: String) -> Bool {
        ["text/html", "application/xhtml+xml"].contains(essence(of: mediaType))
    }

    /// `type/subtype` in lower case, without parameters.
    static func essence(of mediaType: String) -> String {
        FieldList.trimmed(mediaType.prefix { $0 != ";" }).lowercased()
    }

    /// The extension after the last point of a name, in lower case.
    static func fileExtension(of name: String) -> String? {
        guard let point = name.lastIndex(of: ".") else { return nil }
        return name[name.index(after: point)...].lowercased()
    }

    /// Nil where the type says nothing about the bytes, such as `application/octet-stream`.
    private static func mediaTypeGains(_ mediaType: String) -> Bool? {
        let type = essence(of: mediaType)
        if let known = mediaTypes[type] { return known }
        if type.hasPrefix("text/") || type.hasSuffix("+xml") || type.hasSuffix("+json") { return true }
        if type.hasSuffix("+zip") || type.hasSuffix("+gzip") { return false }
        // Office Open XML is a ZIP archive.
        if type.hasPrefix("application/vnd.openxmlformats-officedocument.") { return false }
        // The formats of audio, video and images compress the data themselves. The exceptions are in the table.
        if ["image/", "audio/", "video/", "font/"].contains(where: type.hasPrefix) { return false }
        return nil
    }

    private static let mediaTypes: [String: Bool] = [
        // Text with another type than `text/…`.
        "application/json": true,
        "application/jsonl": true,
        "application/x-ndjson": true,
        "application/csv": true,
        "application/xml": true,
        "application/rtf": true,
        "application/javascript": true,
        "application/mbox": true,
        "message/rfc822": true,
        "multipart/related": true,
        // Images without compression, or made of drawing commands.
        "image/bmp": true,
        "image/x-ms-bmp": true,
        "image/emf": true,
        "image/x-emf": true,
        "image/wmf": true,
        "image/svg+xml": true,
        // A report page as TIFF is mostly white, and hardly compressed.
        "image/tiff": true,
        // Compressed already, completely or for the most part.
        "application/zip": false,
        "application/x-zip-compressed": false,
        "application/gzip": false,
        "application/x-gzip": false,
        "application/x-7z-compressed": false,
        "application/pdf": false,
        "application/vnd.ms-outlook": false,
        "application/vnd.ms-outlook-pst": false,
    ]

    private static let extensions: [String: Bool] = [
        "csv": true, "tsv": true, "txt": true, "log": true, "json": true, "jsonl": true, "ndjson": true,
        "xml": true, "xsd": true, "xsl": true, "rdl": true, "html": true, "htm": true, "xhtml": true, "mht": true,
        "mhtml": true, "css": true, "js": true, "md": true, "yaml": true, "yml": true, "svg": true, "rtf": true,
        "eml": true, "mbox": true, "ics": true, "vcf": true, "dat": true, "opt": true,
        "bmp": true, "emf": true, "wmf": true, "tif": true, "tiff": true,
        // ZIP archives.
        "zip": false, "docx": false, "pptx": false, "xlsx": false, "docm": false, "pptm": false, "xlsm": false,
        "odt": false, "ods": false, "odp": false, "pbix": false, "epub": false, "jar": false,
        // Compressed by their own format.
        "gz": false, "tgz": false, "bz2": false, "xz": false, "zst": false, "7z": false, "rar": false, "cab": false,
        "pdf": false, "png": false, "jpg": false, "jpeg": false, "gif": false, "webp": false, "heic": false,
        "mp3": false, "mp4": false, "m4a": false, "mov": false, "avi": false, "webm": false,
        // Mail stores are very large, and mostly contain attachments that are compressed already.
        "pst": false, "ost": false, "msg": false,
    ]
}
