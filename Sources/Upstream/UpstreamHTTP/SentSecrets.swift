import HTTPFields
import Exports
import Foundation

/// The secrets that went out with one call. They are redacted in its answer before anything reads it, because
/// authorities, services and proxies repeat in their errors what they were sent.
struct SentSecrets: Sendable {
    /// What must not be read anywhere in the answer.
    private let values: [SecretWritings]
    /// What must not be read but in `Location`: a redirect may lead on with the same signature.
    private let ofTheAddress: [SecretWritings]

    /// What `request` holds of secrets, and the token that it is sent with.
    init(_ request: UpstreamRequest, token: AccessToken?) {
        var secrets = request.secrets + request.secretHeaders.map(\.value)
        secrets += (request.form ?? []).filter(\.isSecret).map(\.value)
        if let token { secrets.append(token.secret) }
        // A SAS may be repeated in parts.
        let parts = request.secrets.flatMap { Self.signatures(in: $0.reveal()) }
        values = (secrets.map { $0.reveal() } + parts).compactMap { SecretWritings($0) }
        let query = request.isSignedLink ? request.url.query : nil
        ofTheAddress = query.map { [$0] + Self.signatures(in: $0) }?.compactMap { SecretWritings($0) } ?? []
    }

    /// A body without its secrets. In an error, beginnings of values are redacted too; a success may hold signed links and
    /// tokens that only begin alike.
    func redacted(_ body: [UInt8], isError: Bool) -> [UInt8] {
        SecretWritings.redact(values + ofTheAddress, in: body, andBeginnings: isError)
    }

    /// Header fields without their secrets.
    func redacted(_ fields: [(name: String, value: String)]) -> [(name: String, value: String)] {
        fields.map { field in
            let isLocation = field.name.lowercased() == "location"
            return (field.name, redact(values + (isLocation ? [] : ofTheAddress), in: field.value))
        }
    }

    /// A text that stood in the answer in a coding of its own.
    func redacted(_ text: String) -> String { redact(values + ofTheAddress, in: text) }

    private func redact(_ values: [SecretWritings], in text: String) -> String {
        String(decoding: SecretWritings.redact(values, in: Array(text.utf8), andBeginnings: false), as: UTF8.self)
    }

    /// The values in a query that sign it, or are long enough to. What a SAS only asks the storage to say of the file
    /// (`rsct`, `rscd` and so on: its type, its name) stands in the answer's own fields, and is to be read there.
    private static func signatures(in query: String) -> [String] {
        query.split { $0 == "&" || $0 == "?" }
            .compactMap { pair in
                guard let equals = pair.firstIndex(of: "=") else { return nil }
                let (name, value) = (pair[..<equals], pair[equals...].dropFirst())
                guard name == "sig" || value.utf8.count >= SecretWritings.shortestPart else { return nil }
                guard !(name.count == 4 && name.hasPrefix("rs")) else { return nil }
                return PercentEncoding.decode(value)
            }
    }
}

extension SentSecrets: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    var description: String { "<redacted>" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: []) }
}
