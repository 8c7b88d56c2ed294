import HTTPFields
import Exports
import Foundation

/// The secrets that were sent with one call. They are redacted in its answer before other code reads it, because authorities,
/// services and proxies repeat in their errors what they were sent.
struct SentSecrets: Sendable {
    /// Secrets that are redacted everywhere in the answer.
    private let values: [SecretWritings]
    /// Secrets that are redacted except in `Location`, because a redirect may use the same signature.
    private let ofTheAddress: [SecretWritings]

    /// Collects the secrets of `request`, and the token that it is sent with.
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

    /// A body without the secrets. In an error, the beginnings of secrets are redacted too; not in a success, which may hold other signed
    /// links and tokens with the same beginning.
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

    /// A text from the answer that was decoded, without the secrets.
    func redacted(_ text: String) -> String { redact(values + ofTheAddress, in: text) }

    private func redact(_ values: [SecretWritings], in text: String) -> String {
        String(decoding: SecretWritings.redact(values, in: Array(text.utf8), andBeginnings: false), as: UTF8.self)
    }

    /// The values of a query that are its signature, or long enough to be one. Without those parameters of a SAS that set the answer's
    /// header fields (`rsct`, `rscd` and so on: the file's type and name), because these fields are needed.
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
