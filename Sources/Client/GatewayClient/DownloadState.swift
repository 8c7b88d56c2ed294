/// The download of one file, without I/O: what is asked for, what is done with an answer, and whether the file is whole.
///
/// A download that breaks off goes on behind its last byte, with `Range`, and with the strong validator of what is there in
/// `If-Range` (RFC 9110, 13.1.5: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5), so that two versions of a file are
/// never mixed. Without a strong validator it begins again.
struct DownloadState: Sendable {
    /// What is there of the file, from an earlier run.
    struct Part: Sendable, Hashable {
        var offset: Int64
        var validator: String
        var total: Int64?
    }

    /// What is asked for.
    struct Request: Sendable, Hashable {
        /// The first byte; 0 for the whole file.
        var offset: Int64
        /// Goes into `If-Range`, beside an `offset` above 0.
        var validator: String?
    }

    /// What is done with the bytes of an answer.
    enum Opening: Sendable, Hashable {
        /// They follow those that are there.
        case appends
        /// They are the file from its first byte: what is there is dropped.
        case beginsAgain
        /// They are no continuation of what is there: drop both, and ask for the whole file.
        case unusable
    }

    /// What the end of a body means.
    enum End: Sendable, Hashable {
        /// All bytes are there that anything tells of: compare the digest.
        case complete
        /// Something on the way ended it too early.
        case short
    }

    /// What the digest says.
    enum Verdict: Sendable, Hashable {
        case whole
        case wrong(expected: String)
        /// Nothing tells the file's digest.
        case unknown
    }

    /// How many bytes are there.
    private(set) var offset: Int64
    /// How many bytes came over the network, all answers together.
    private(set) var fetched: Int64 = 0
    /// The strong validator of the bytes that are there.
    private(set) var validator: String?
    /// The length of the whole file, as the last answer announced it.
    private(set) var total: Int64?
    /// Of how many answers the bytes are, those of earlier runs counted as one.
    private(set) var pieces = 0
    private let size: Int64?
    private let recorded: String?
    private var announced: String?
    private var furthest: Int64

    /// Begins a download of a file whose size and digest stand in the export's record as far as they are known.
    init(size: Int64?, sha256: String?, part: Part? = nil) {
        self.size = size
        recorded = sha256
        offset = part?.offset ?? 0
        furthest = offset
        validator = part?.validator
        total = part?.total
        pieces = part == nil ? 0 : 1
    }

    /// Whether there is nothing left to ask for: the last byte came, and its end did not.
    var hasAll: Bool { offset > 0 && validator != nil && offset == total }

    /// What to ask for now.
    var request: Request {
        offset > 0 && validator != nil ? Request(offset: offset, validator: validator) : Request(offset: 0)
    }

    /// Bytes that are there from an earlier run are of no use.
    mutating func dropAll() {
        (offset, validator, total, announced, pieces) = (0, nil, nil, nil, 0)
    }

    /// The head of an answer came.
    mutating func opened(_ head: DownloadHead) -> Opening {
        guard head.isPart else {
            dropAll()
            (validator, total, announced, pieces) = (head.validator, head.length, head.sha256, 1)
            return .beginsAgain
        }
        guard let range = head.range, request.offset > 0, range.first == offset, total == nil || range.total == total,
            // A part that goes into a file with others has the same strong validator, or it is none of this file
            // (RFC 9110, 15.3.7: https://www.rfc-editor.org/rfc/rfc9110#section-15.3.7).
            head.validator == validator
        else {
            dropAll()
            return .unusable
        }
        total = range.total
        announced = head.sha256 ?? announced
        pieces += 1
        return .appends
    }

    /// Bytes came.
    mutating func received(_ count: Int64) {
        offset += count
        fetched += count
    }

    /// The gateway did not send all that the head announced: what was announced is not its own word.
    mutating func announcedTooLittle() { total = nil }

    /// The body broke off, or was short. Whether more of the file is there than ever before: then the series of tries begins
    /// again.
    mutating func broke() -> Bool {
        if validator == nil { dropAll() }
        defer { furthest = max(furthest, offset) }
        return offset > furthest
    }

    /// The body ended as HTTP ends bodies, which something on the way may have made of a broken one.
    ///
    /// - Parameter trailer: The digest in the trailer. It is computed from the bytes that were sent, after the last of them.
    mutating func ended(trailer: String?) -> End {
        if let trailer, pieces == 1 {
            announced = trailer
            return .complete
        }
        guard let expected = total ?? size else { return .complete }
        return offset < expected ? .short : .complete
    }

    /// Compares the digest of all bytes with the latest that the gateway told: with the bytes, with their head, or in the record.
    func verdict(on sha256: String) -> Verdict {
        guard let expected = announced ?? recorded else { return .unknown }
        return expected == sha256 ? .whole : .wrong(expected: expected)
    }
}
