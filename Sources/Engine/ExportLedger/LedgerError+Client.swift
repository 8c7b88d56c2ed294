public import Exports
public import Logging

extension LedgerError {
    /// The error for a client whose call to the ledger failed: it may try again. The failure is logged for the operator, unless the
    /// call was cancelled. Not for an error about one export.
    public static func forClient(_ error: any Error, _ logger: Logger) -> GatewayError {
        if let impediment = (error as? LedgerError)?.impediment {
            logger.error("the ledger cannot be written", metadata: ["error": "\(error)"])
            return GatewayError(
                .unavailable,
                "\(impediment.detail) Nothing was changed; what there is can still be read and downloaded.",
                retryAfter: .seconds(30),
                members: .reason(impediment),
                cause: error
            )
        }
        if !(error is CancellationError) {
            logger.error("a ledger operation failed", metadata: ["error": "\(error)"])
        }
        return GatewayError(
            .unavailable,
            "The gateway's ledger does not answer. Nothing was changed; try again.",
            retryAfter: .seconds(5),
            cause: error
        )
    }
}
