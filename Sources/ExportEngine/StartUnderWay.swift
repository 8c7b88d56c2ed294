import ExportLedger
import Exports
import Synchronization

/// One call that starts a job, from the lane's point of view: what was written down before its first byte went out.
final class StartUnderWay: Sendable {
    /// Why nothing was sent.
    enum Refusal: Sendable {
        /// The export ended, or has another owner.
        case withdrawn
        case ledger(any Error)
    }

    private struct State {
        var begun: LedgerRecord?
        var refusal: Refusal?
    }

    private let record: LedgerRecord
    private let secretsAtHand: Bool
    private let lane: Lane
    private let state = Mutex(State())

    init(record: LedgerRecord, secretsAtHand: Bool, lane: Lane) {
        self.record = record
        self.secretsAtHand = secretsAtHand
        self.lane = lane
    }

    var event: ExportLife.Event {
        .submissionBegins(
            secretsAtHand: secretsAtHand,
            upstreamTime: lane.connection.provider.upstreamTime(at: lane.tools.time.now())
        )
    }

    var refusal: Refusal? { state.withLock { $0.refusal } }
    /// What the write-back of the outcome carries.
    var fence: Int64 { state.withLock { $0.begun?.fence } ?? record.fence }

    /// Writes down that the call is about to be made. Throws when it must not be.
    func begin() async throws(ProviderError) {
        guard state.withLock({ $0.begun }) == nil else { return }
        let id = record.export.id
        do {
            let begun = try await lane.tools.apply(event, to: id, fence: record.fence, lane.life)
            guard let begun, begun.phase == .submitting else { return try refuse(.withdrawn) }
            state.withLock { $0.begun = begun }
        } catch let error as ProviderError {
            throw error
        } catch {
            try refuse(.ledger(error))
        }
    }

    private func refuse(_ refusal: Refusal) throws(ProviderError) {
        state.withLock { $0.refusal = refusal }
        throw ProviderError(.transient, "The gateway did not make the call.", problem: .unavailable)
    }
}
