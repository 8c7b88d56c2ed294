/// Where the refresh token of one export rests between its uses, so that work on the export goes on after its caller's own
/// token has ended.
///
/// Sealed wherever it is written down. Nothing here throws: what cannot be read is as if it were not there, what cannot be
/// written is kept in memory. Writing is carried out to its end even when the task is cancelled.
public protocol RefreshTokenStore: Sendable {
    /// The export that the token is for.
    var exportID: ExportID { get }

    /// The token; nil when there is none, or none any more.
    func token() async -> Secret?

    /// Keeps `token` in place of any other, until the export has ended. Writes only when it is another than the last.
    func keep(_ token: Secret) async

    /// Forgets `token`, because the authority refused it for good. A newer one stays.
    func forget(_ token: Secret) async
}
