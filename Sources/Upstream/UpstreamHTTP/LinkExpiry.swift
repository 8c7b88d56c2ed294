import HTTPFields
public import Exports

/// When a pre-signed link to Azure Storage is no longer good
/// (https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas).
public enum LinkExpiry {
    /// Whether the answer to `url` means that its time is over: 403 with Azure's `AuthenticationFailed`, or with the
    /// link's own end (`se`) in the past.
    public static func hasExpired(_ url: UpstreamURL, according response: UpstreamResponse) -> Bool {
        guard response.status == 403 else { return false }
        if response.errorBody.has("AuthenticationFailed") { return true }
        return end(of: url).map { $0 <= response.receivedAt } ?? false
    }

    /// The end that the link's query tells.
    public static func end(of url: UpstreamURL) -> Timestamp? {
        let value = url.query?.split(separator: "&").first { $0.hasPrefix("se=") }?.dropFirst(3)
        return value.flatMap { PercentEncoding.decode($0) }.flatMap { Timestamp(rfc3339: $0) }
    }
}
