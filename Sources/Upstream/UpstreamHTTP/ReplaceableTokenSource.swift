public import Exports
import Synchronization

/// A source of tokens that may be replaced by another one while calls use it: the operator has changed a connection's credential.
public final class ReplaceableTokenSource: AccessTokenSource {
    private let source: Mutex<any AccessTokenSource>

    /// Begins with `source`.
    public init(_ source: any AccessTokenSource) {
        self.source = Mutex(source)
    }

    /// Gets the tokens from `source` from now on. It must act for users where the former one does. Whoever waits for a token of the
    /// former source gets that one.
    public func replace(by source: any AccessTokenSource) { self.source.withLock { $0 = source } }

    private var current: any AccessTokenSource { source.withLock { $0 } }

    public var actsForUsers: Bool { current.actsForUsers }

    public func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        try await current.accessToken(for: scope, context: context, replacing: rejected)
    }
}
