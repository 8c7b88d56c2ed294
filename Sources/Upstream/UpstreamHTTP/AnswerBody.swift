import Exports
import JSON
import NIOCore
import ParallelGzip

/// The most bytes that are read of an answer, by its kind.
public enum AnswerLimit {
    /// A token, with or without a refresh token.
    public static let token = 64 << 10
    /// One job: usually a few kilobytes, but a job with a name of megabytes must still be readable.
    public static let job = 4 << 20
    /// The address of a file.
    public static let link = 64 << 10
    /// One page of a list.
    public static let list = 8 << 20
    /// An error. Of a longer one, only the beginning is read.
    public static let error = 64 << 10
}

/// The body of an answer after gzip was decoded, secrets were redacted and JSON was parsed.
struct AnswerBody: Sendable {
    var bytes: [UInt8]
    var json: JSONValue?
    /// Why it cannot be read, if it cannot.
    var fault: String?

    /// Decodes gzip, up to `limit` bytes, also where the head does not say so: no other answer begins with gzip's first bytes. The
    /// secrets in `sent` are redacted.
    init(_ encoded: [UInt8], headers: UpstreamHeaders, limit: Int, without sent: SentSecrets?, isError: Bool) {
        bytes = encoded
        if Self.isGzip(encoded) {
            (bytes, fault) = Self.gunzipped(encoded, limit: limit)
        } else if headers.isEncoded, !encoded.isEmpty {
            let coding = headers.all("content-encoding") ?? ""
            fault =
                ["gzip", "x-gzip"].contains(coding.lowercased())
                ? nil : "is in the coding \"\(UpstreamText.cut(coding, to: 32))\", which was not asked for"
        }
        if let sent { bytes = sent.redacted(bytes, isError: isError) }
        json = try? JSONParser.parse(bytes, .lenient)
        if json != nil { fault = nil }
    }

    /// Whether it begins with gzip's first bytes. No other answer of an upstream does.
    static func isGzip(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1F, 0x8B]) }

    private static func gunzipped(_ encoded: [UInt8], limit: Int) -> (bytes: [UInt8], fault: String?) {
        var decoded: [UInt8] = []
        do {
            let gunzip = try Gunzip(limits: .init(length: Int64(limit)))
            var input = ByteBuffer(bytes: encoded)
            while let piece = try gunzip.decode(&input) { decoded += piece.readableBytesView }
            try gunzip.finish()
            return (decoded, nil)
        } catch {
            // The bytes before the fault may still say what is wrong.
            return (decoded, error.code == .tooLong ? "is too long after decoding" : "is broken gzip")
        }
    }
}
