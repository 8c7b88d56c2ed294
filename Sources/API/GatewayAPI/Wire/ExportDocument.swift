import Exports
import JSON

/// An export, a file and a page of exports as JSON: the schemas `Export`, `ExportFile`, `ExportList` and
/// `ExportFileList` of `openapi.yaml`.
struct ExportDocument {
    let links: Links

    /// The text of one export.
    func bytes(of export: Export) -> [UInt8] { located(export).bytes }

    /// The text of one export, and where the value of `observedAt` stands in it, without its quotes.
    func located(_ export: Export) -> (bytes: [UInt8], observedAt: Range<Int>?) {
        var end: Int?
        let bytes = JSONWriter.object { end = write(export, to: &$0) }
        guard let end, let length = export.observedAt?.description.utf8.count else { return (bytes, nil) }
        return (bytes, (end - 1 - length)..<(end - 1))
    }

    /// The text of a page. That of each export is made once for a revision, and kept with its snapshot.
    func bytes(ofPage page: ExportPage, nextCursor: String?) -> [UInt8] {
        let exports = page.snapshots.map { snapshot in
            snapshot.form { (form: ListedExport) in
                form.origin == links.origin
            } make: { earlier in
                ListedExport(snapshot.export, by: self, after: earlier)
            }
        }
        let length = exports.reduce(0) { $0 + $1.bytes.count + 1 }
        return JSONWriter.object(reserving: length + 256) { writer in
            writer.name("value")
            writer.array(exports) { $0.text($1.bytes) }
            writer.member("nextCursor", nextCursor)
            writer.member("unreadable", page.unreadable > 0 ? .integer(Int64(page.unreadable)) : nil)
        }
    }

    /// The text of the list of an export's files.
    func bytes(ofFilesOf export: Export) -> [UInt8] {
        JSONWriter.object { writer in
            writer.name("value")
            writer.array(export.files) { writer, file in writer.object { write(file, of: export.id, to: &$0) } }
        }
    }

    /// Gives back where `observedAt` ends.
    private func write(_ export: Export, to writer: inout JSONWriter) -> Int {
        writer.member("id", export.id.description)
        writer.member("href", links.export(export.id))
        writer.member("provider", export.provider.rawValue)
        writer.member("connection", export.connection)
        writer.member("name", export.name)
        writer.member("status", export.status.rawValue)
        writer.member("percentComplete", export.percentComplete.map { .integer(Int64(min(max($0, 0), 100))) })
        writer.member("createdAt", export.createdAt)
        writer.member("updatedAt", export.updatedAt)
        writer.member("completedAt", export.completedAt)
        writer.member("expiresAt", export.expiresAt)
        writer.member("observedAt", export.observedAt)
        let end = writer.bytes.count
        writer.member("stale", export.stale ? .bool(true) : nil)
        writer.member("createdBy", export.createdBy)
        writer.member("source", export.source)
        writer.name("files")
        writer.array(export.files) { writer, file in writer.object { write(file, of: export.id, to: &$0) } }
        writer.member("destination", export.destination)
        writer.member("cancellation", export.cancellation?.rawValue)
        if let error = export.error {
            writer.member(
                "error",
                object: { writer in
                    writer.member("type", error.type)
                    writer.member("title", error.title)
                    writer.member("code", error.code.rawValue)
                    writer.member("detail", error.detail)
                    // The member that clients of OData and Azure read.
                    writer.member("message", error.detail)
                    writer.member("upstream", upstream: error.upstream)
                }
            )
        }
        if let notice = export.notice {
            writer.member(
                "notice",
                object: { writer in
                    writer.member("code", notice.code.rawValue)
                    writer.member("detail", notice.detail)
                    writer.member("position", notice.position.map { JSONValue.integer(Int64($0)) })
                    writer.member("estimatedStart", notice.estimatedStart)
                    writer.member("upstream", upstream: notice.upstream)
                }
            )
        }
        writer.member("tracking", export.tracking?.rawValue)
        writer.member("retained", export.retainedAt != nil ? .bool(true) : nil)
        if let upstream = export.upstream {
            writer.member(
                "upstream",
                object: { writer in
                    writer.member("id", upstream.id)
                    writer.member("status", upstream.status)
                }
            )
        }
        return end
    }

    private func write(_ file: ExportFile, of id: ExportID, to writer: inout JSONWriter) {
        writer.member("id", file.id)
        writer.member("name", file.name)
        writer.member("size", file.size.map(JSONValue.integer))
        writer.member("sizeSource", file.sizeSource?.rawValue)
        writer.member("sizeState", file.sizeState?.rawValue)
        writer.member("contentType", file.contentType)
        writer.member("sha256", file.sha256)
        writer.member("digestSource", file.digestSource?.rawValue)
        writer.member("digestState", file.digestState?.rawValue)
        writer.member("href", links.file(file.id, of: id))
    }
}

/// An export as a list shows it: encoded once for all lists whose links begin alike.
private struct ListedExport: Sendable {
    /// See `Links.origin`.
    let origin: String
    let bytes: [UInt8]
    /// Where the value of `observedAt` stands; nil where there is none.
    private let observedAt: Range<Int>?

    /// Encodes an export, or puts another time into what was made of the state before, where only `observedAt` is another.
    init(_ export: Export, by document: ExportDocument, after earlier: ListedExport?) {
        origin = document.links.origin
        if let earlier, let place = earlier.observedAt, let time = export.observedAt?.description.utf8,
            time.count == place.count
        {
            var bytes = earlier.bytes
            bytes.replaceSubrange(place, with: time)
            (self.bytes, observedAt) = (bytes, place)
        } else {
            (bytes, observedAt) = document.located(export)
        }
    }
}

extension JSONWriter {
    /// Writes a member, or nothing when there is no value.
    mutating func member(_ name: String, _ value: Timestamp?) { member(name, value?.description) }

    /// Writes what an upstream said, or nothing when it said nothing.
    mutating func member(_ name: String, upstream: UpstreamErrorInfo?) {
        guard let upstream else { return }
        member(
            name,
            object: { writer in
                writer.member("status", upstream.status.map { .integer(Int64($0)) })
                writer.member("code", upstream.code)
                writer.member("message", upstream.message)
                writer.member("requestId", upstream.requestId)
            }
        )
    }
}
