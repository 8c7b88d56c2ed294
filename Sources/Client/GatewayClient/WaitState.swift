/// The waiting for the end of an export, without I/O: what is asked next, and when.
///
/// Each question says which version is known and how long the answer may be held back (`Prefer: wait`, `If-None-Match`), so
/// that the gateway is asked once in a while and a change is known at once.
struct WaitState {
    /// What to do next.
    enum Step: Hashable {
        /// Ask after a pause.
        case ask(after: Duration)
        /// The export has ended, and its files are listed where they are waited for.
        case ended
    }

    /// The export as it is known.
    private(set) var latest: GatewayExport?
    /// The version that is known.
    private(set) var etag: String?
    /// Whether an export that has ended is waited for as long as its files are late.
    private let wantsFiles: Bool

    /// The pause where the gateway, or something before it, does not hold answers back and names no pause.
    static let usualPause: Duration = .seconds(2)

    /// Nothing is known yet, or what the answer to a create said.
    init(_ known: GatewayExport? = nil, etag: String? = nil, wantsFiles: Bool = false) {
        latest = known
        self.wantsFiles = wantsFiles
        self.etag = known == nil ? nil : etag
    }

    /// The first step.
    var begin: Step { latest.map(isOver) == true ? .ended : .ask(after: .zero) }

    /// The export came. Whether it changed is of no account: what comes is the newest.
    mutating func came(_ export: GatewayExport, etag: String?, wasHeld: Bool, retryAfter: Duration?) -> Step {
        let isFirst = self.etag == nil
        latest = export
        self.etag = etag
        if isOver(export) { return .ended }
        // Without a version, the question could not be held back.
        return .ask(after: (wasHeld || isFirst) && etag != nil ? .zero : pause(retryAfter))
    }

    /// The export is as it was (304).
    func unchanged(wasHeld: Bool, retryAfter: Duration?) -> Step {
        .ask(after: wasHeld ? .zero : pause(retryAfter))
    }

    private func isOver(_ export: GatewayExport) -> Bool { export.hasEnded && !(wantsFiles && export.awaitsFiles) }

    private func pause(_ retryAfter: Duration?) -> Duration { max(retryAfter ?? Self.usualPause, .seconds(1)) }
}
