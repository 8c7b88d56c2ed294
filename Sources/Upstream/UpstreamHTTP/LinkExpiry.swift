import HTTPFields
public import Exports

/// Whether and when a pre-signed link to Azure Storage expires
/// (https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas).
public enum LinkExpiry {
    /// Whether the answer means that `url` has expired: 403 with Azure's `AuthenticationFailed`, or 403 when the link's own end (`se`)
    /// is in the past.
    public static func hasExpired(_ url: UpstreamURL, according response: UpstreamResponse) -> Bool {
        guard response.status == 403 else { return false }
        if response.errorBody.has("AuthenticationFailed") { return true }
        return end(of: url).map { $0 <= response.receivedAt } ?? false
    }

    /// The end in the link's query.
    public static func end(of url: UpstreamURL) -> Timestamp? {
        let value = url.query?.split(separator: "&").first { $0.hasPrefix("se=") }?.dropFirst(3)
        return value.flatMap { PercentEncoding.decode($0) }.flatMap { Timestamp(rfc3339: $0) }
    }
}
