/// What background measurement of files asks of the engine.
///
/// What the ledger cannot store is logged, and found again when the claim has expired.
public protocol MeasurementService: Sendable {
    /// Claims a success whose files are to be measured now; nil where none is due. The one that became due last comes first,
    /// because its caller will probably download its files soon. Never returns one that is among `running`, nor one whose files
    /// only a caller's token could open.
    ///
    /// The claim counts as an attempt. The export is due again after `lease`, also when this process has ended by then, unless
    /// `endMeasurement` says otherwise.
    func claimMeasurement(besides running: Set<ExportID>, lease: Duration) async -> MeasurementClaim?

    /// Ends a claim: for good, or until `next`. Carried out in a cancelled task too.
    func endMeasurement(_ claim: MeasurementClaim, next: MeasurementClaim.Next?) async

    /// Opens the file, or the part of it that `range` names, with the connection's own credential and no caller's token.
    /// Otherwise like `ExportService.open`.
    func openForMeasurement(
        _ fileID: String,
        of id: ExportID,
        range: FileRange?
    ) async throws(GatewayError) -> FileBody

    /// See `ExportService.record`.
    func record(_ delivery: Delivery) async

    /// Returns when there may be something to claim, or the task is cancelled. One waiter at a time.
    func waitForMeasurement(besides running: Set<ExportID>) async
}

/// A success whose files are to be measured.
public struct MeasurementClaim: Sendable, Hashable {
    public var export: Export
    /// How often it was claimed and counted, this claim included.
    public var attempts: Int

    /// When the export is due again.
    public struct Next: Sendable, Hashable {
        public var wait: Duration
        /// Whether the attempt counts. An attempt that was given up for other work does not.
        public var counts: Bool

        /// Makes the next due time.
        public init(after wait: Duration, counts: Bool) {
            self.wait = wait
            self.counts = counts
        }
    }

    /// Makes a claim.
    public init(export: Export, attempts: Int) {
        self.export = export
        self.attempts = attempts
    }
}
