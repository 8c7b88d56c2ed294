import Exports

/// Decides with whose rights a call about an export is made, on one connection.
///
/// A connection has a credential of its own, or it runs on callers' tokens. Nobody acts with another caller's token.
struct DelegatedAuthorization: Sendable {
    /// What a call is made for, and who asks for it.
    enum Purpose: Sendable {
        /// To start a new export.
        case start(Viewer)
        /// To open a file, with the token that the request brings, whoever owns the export.
        case download(Viewer)
        /// To ask for a job, as a part of the request.
        case lookup(Viewer)
        /// To poll a job early, in the background.
        case poll(Viewer)
        /// To cancel a job, in the background.
        case cancel(Viewer, hasRefreshToken: Bool)
        /// What the engine does by itself.
        case background(hasRefreshToken: Bool)
    }

    enum Answer: Sendable, Equatable {
        /// The call can be made: with this token of a caller, or with what the connection itself has.
        case granted(Secret?)
        /// A caller's token is needed, and there is none.
        case tokenMissing
        /// Only the export's owner may have the call made: it takes the owner's token.
        case ownersToken
    }

    /// Whether the connection runs on callers' tokens.
    let isNeeded: Bool
    /// Whether the background goes on with a refresh token when a caller's token has ended.
    let keepsRefreshTokens: Bool
    private let callerTokens: CallerTokens

    init(isNeeded: Bool, keepsRefreshTokens: Bool, callerTokens: CallerTokens) {
        self.isNeeded = isNeeded
        self.keepsRefreshTokens = keepsRefreshTokens
        self.callerTokens = callerTokens
    }

    /// Whether a call can be made, and with which token.
    func answer(_ purpose: Purpose, on export: Export) -> Answer {
        switch purpose {
        case .start(let viewer): return granted(viewer.token)
        case .download(let viewer): return granted(viewer.token ?? (viewer.owns(export) ? kept(export) : nil))
        case .lookup(let viewer):
            guard viewer.owns(export) else { return isNeeded ? .ownersToken : .granted(nil) }
            return granted(viewer.token ?? kept(export))
        case .poll(let viewer):
            if isOwnersOnly(export, viewer) { return .ownersToken }
            let token = kept(export)
            // A refresh token is for the background only: a caller's request does not use it. Without one, the poll itself
            // finds out that a token is missing.
            return token == nil && keepsRefreshTokens ? .tokenMissing : .granted(token)
        case .cancel(let viewer, let hasRefreshToken):
            if isOwnersOnly(export, viewer) { return .ownersToken }
            return hasRefreshToken ? .granted(kept(export)) : granted(kept(export))
        case .background(let hasRefreshToken):
            return hasRefreshToken ? .granted(kept(export)) : granted(kept(export))
        }
    }

    /// Whether the export runs on the token of another caller than the one who asks.
    func isOwnersOnly(_ export: Export, _ viewer: Viewer) -> Bool { isNeeded && !viewer.owns(export) }

    /// The token that the export's owner brought last, unless it was refused.
    private func kept(_ export: Export) -> Secret? { callerTokens.token(for: export.id) }

    private func granted(_ token: Secret?) -> Answer { token == nil && isNeeded ? .tokenMissing : .granted(token) }
}
