public import Exports

extension Caller {
    /// The caller as the engine knows it, with the upstream tokens of its request. A caller who sees others' exports brings a
    /// token for its own call only: it must not replace the owner's token.
    public func viewer(
        token: Secret?,
        downloadToken: Secret?,
        requestID: String? = nil,
        address: String? = nil
    ) -> Viewer {
        let identity: Viewer.Identity =
            kind == .anonymous ? .anonymous : .caller(id, seesAll: permissions.allow(.readAll))
        return Viewer(
            identity,
            token: token,
            downloadToken: downloadToken,
            requestID: requestID,
            address: address
        )
    }
}
