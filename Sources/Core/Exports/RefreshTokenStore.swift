/// Stores the refresh token of one export between its uses, so that work on the export goes on after its caller's own token
/// has expired.
///
/// The token is encrypted wherever it is stored. No method throws: a token that cannot be read counts as absent, and one that
/// cannot be written is kept in memory. A write is completed even when the task is cancelled.
public protocol RefreshTokenStore: Sendable {
    /// The export that the token is for.
    var exportID: ExportID { get }

    /// The token; nil when there is none.
    func token() async -> Secret?

    /// Keeps `token` in place of any other, until the export has ended. Writes only when it differs from the last one.
    func keep(_ token: Secret) async

    /// Deletes `token`, because the authority refused it for good. A newer one stays.
    func remove(_ token: Secret) async
}
