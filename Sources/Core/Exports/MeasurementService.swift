/// What the reading of files in the background asks of the engine.
///
/// What the ledger does not take is logged, and found again when the claim has run out.
public protocol MeasurementService: Sendable {
    /// Takes a success whose files are to be looked at now; nil where none is due. The one that became due last comes first,
    /// because whoever waited for it asks for its files soon. Never one that is among `running`, nor one whose files only a
    /// caller's token could open.
    ///
    /// The claim counts as an attempt. It comes again after `lease`, also when this process has ended by then, unless
    /// something else was said of it with `endMeasurement`.
    func claimMeasurement(besides running: Set<ExportID>, lease: Duration) async -> MeasurementClaim?

    /// Ends a claim: for good, or until its next turn. Carried out in a cancelled task too.
    func endMeasurement(_ claim: MeasurementClaim, next: MeasurementClaim.Next?) async

    /// The file, or the part of it that `range` names, opened with the connection's own credential and no caller's token; else
    /// as `ExportService.open`.
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

/// A success whose files are to be looked at.
public struct MeasurementClaim: Sendable, Hashable {
    public var export: Export
    /// How often it was claimed, this time included, without being given back.
    public var attempts: Int

    /// When a claim comes again.
    public struct Next: Sendable, Hashable {
        public var wait: Duration
        /// Whether the attempt counts: not one that was given up for others' sake.
        public var counts: Bool

        /// Makes a turn.
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
