import Exports

extension FileRange {
    /// The header fields that request the part (RFC 9110, 13.1.5 and 14.2). None where the validator is not strong, because the part
    /// could be of another file then.
    var fields: [(name: String, value: String)] {
        let range = ("Range", "bytes=\(first)-\(last.map { "\($0)" } ?? "")")
        guard let validator else { return [range] }
        return Self.isStrong(validator) ? [range, ("If-Range", validator)] : []
    }

    /// Whether the text is a strong entity tag. A weak one does not promise the same bytes.
    static func isStrong(_ tag: String) -> Bool {
        tag.utf8.count >= 2 && tag.hasPrefix("\"") && tag.hasSuffix("\"") && !tag.dropFirst().dropLast().contains("\"")
    }

    /// The error for an answer with 416.
    func notSatisfiable(host: String) -> ProviderError {
        ProviderError(
            .invalid,
            "\(host) says that the file has no bytes from byte \(first) on.",
            upstream: UpstreamErrorInfo(status: 416)
        )
    }
}

extension ContentRange {
    /// The number of bytes.
    var count: Int64 { last - first + 1 }
}

/// The head of a 206 (RFC 9110, 15.3.7).
struct PartialContent {
    let headers: UpstreamHeaders
    let host: String

    /// The part in the answer. Throws unless it is the requested part, or its beginning.
    func range(asked: FileRange?) throws(ProviderError) -> ContentRange {
        guard let asked else { throw unfit("a part of the file although the whole was asked for") }
        if headers["content-type"]?.lowercased().hasPrefix("multipart/byteranges") ?? false {
            throw unusable("several parts of the file where one was asked for")
        }
        // A part of an encoded body is not a part of the file.
        guard !headers.isEncoded else { throw unusable("a part of the file in an encoding") }
        guard let field = headers.all("content-range"), let part = ContentRange(field: field) else {
            throw unfit("a part of the file without saying which")
        }
        guard part.first == asked.first, part.last <= asked.last ?? .max else {
            throw unfit("another part of the file than was asked for (\(part.first)-\(part.last))")
        }
        if let length = headers["content-length"].flatMap({ Int64($0) }), length != part.count {
            throw unfit("\(length) bytes as a part of \(part.count)")
        }
        return part
    }

    private func unfit(_ what: String) -> ProviderError {
        ProviderError(.transient, "\(host) sends \(what).", problem: .upstreamBroken, upstream: .init(status: 206))
    }

    private func unusable(_ what: String) -> ProviderError {
        ProviderError(.permanent, "\(host) sends \(what).", upstream: .init(status: 206))
    }
}

extension UpstreamHeaders {
    /// Whether the body is not the file itself, but an encoding of it.
    var isEncoded: Bool {
        let codings = all("content-encoding")?.split(separator: ",") ?? []
        return codings.contains { !["identity", ""].contains($0.trimming(" \t").lowercased()) }
    }
}

extension StringProtocol {
    /// The text without these characters at its ends.
    func trimming(_ characters: String) -> SubSequence {
        guard let first = firstIndex(where: { !characters.contains($0) }),
            let last = lastIndex(where: { !characters.contains($0) })
        else { return self[endIndex...] }
        return self[first...last]
    }
}
