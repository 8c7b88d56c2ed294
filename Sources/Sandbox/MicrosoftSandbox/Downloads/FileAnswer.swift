import Exports
import HTTPTypes
import Hummingbird

/// 200 (or 206) with a generated file, spoiled as the call's faults say.
struct FileAnswer {
    let file: FileSpec
    let world: World
    let call: Call
    /// Storage hosts serve ranges and have entity tags. Of the proxy, Goals and Power BI nothing is known; they send
    /// everything, unless the fault `ranges` says otherwise.
    let isStorage: Bool

    init(file: FileSpec, world: World, call: Call, isStorage: Bool = false) {
        self.file = call.faults.has(.changedFile) ? file.changed : file
        self.world = world
        self.call = call
        self.isStorage = isStorage
    }

    func response(headers: HTTPFields = [:]) -> Response {
        var headers = headers
        headers[.contentType] = file.format.contentType
        let isTagged = isStorage || call.faults.has(.ranges)
        headers[.eTag] = isTagged && !call.faults.has(.noETag) ? file.entityTag : nil
        var range: Range<Int64> = 0..<file.size
        var status = HTTPResponse.Status.ok
        if isTagged, !call.faults.has(.noRanges) {
            headers[.acceptRanges] = "bytes"
            if let wanted = wantedRange(headers[.eTag]) {
                guard let part = wanted.within(file.size) else {
                    headers[.contentRange] = "bytes */\(file.size)"
                    return Response(status: .rangeNotSatisfiable, headers: headers)
                }
                range = part
                status = .partialContent
                headers[.contentRange] = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(file.size)"
            }
        }
        let transfer = Transfer(
            range: range,
            faults: call.faults,
            content: world.digests.generator.open(file),
            channel: call.channel,
            time: world.time
        )
        return Response(status: status, headers: headers, body: transfer.body())
    }

    /// The range asked for; nil where `If-Range` says that the file must be the same, and it is not (RFC 9110, 13.1.5).
    private func wantedRange(_ entityTag: String?) -> ByteRange? {
        if let condition = call.headers[.ifRange], condition != entityTag { return nil }
        return call.headers[.range].flatMap { ByteRange($0) }
    }
}

/// A single range of bytes (RFC 9110, 14.1.2): `bytes=a-b`, `bytes=a-` or `bytes=-n`. Anything else is ignored.
struct ByteRange {
    private var first: Int64?
    private var last: Int64?

    init?(_ header: String) {
        guard header.hasPrefix("bytes=") else { return nil }
        let halves = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        guard halves.count == 2 else { return nil }
        first = Int64(halves[0])
        last = Int64(halves[1])
        if first == nil, last == nil { return nil }
        if let first, let last, last < first { return nil }
    }

    /// The part of a file of `size` bytes; nil where it has none of it.
    func within(_ size: Int64) -> Range<Int64>? {
        guard let first else {
            let length = min(last ?? 0, size)
            return length > 0 ? size - length..<size : nil
        }
        guard first < size else { return nil }
        return first..<min(size, (last ?? .max - 1) + 1)
    }
}
