public import Exports

/// The trace of an export.
extension TraceContext {
    /// The root of an export's trace: its trace id is the export's id, and its span id the second half of it.
    ///
    /// So every replica knows the trace of an export at any time, and nothing has to be stored for that. An id of version 7 has 62
    /// random bits at its end, and sampling reads the last 56 bits of a trace id. Nil for the id that is zero.
    public init?(of export: ExportID, isSampled: Bool) {
        let (high, low) = export.bits
        guard let trace = TraceID(high: high, low: low), let span = SpanID(low) else { return nil }
        self.init(trace: trace, span: span, isSampled: isSampled)
    }
}
