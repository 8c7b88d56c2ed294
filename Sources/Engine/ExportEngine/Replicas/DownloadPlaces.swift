import ExportLedger
public import Exports
import Logging
import Synchronization

/// The places of downloads that have ended and are not given back in the ledger yet. There are at most as many as downloads.
final class EndedPlaces: Sendable {
    private let ids = Mutex<[ExportID]>([])
    /// Fired when there is one.
    let news = Signal()

    func add(_ id: ExportID) {
        ids.withLock { $0.append(id) }
        news.fire()
    }

    /// Adds places again that could not be given back.
    func add(again former: [ExportID]) { ids.withLock { $0 += former } }

    func takeAll() -> [ExportID] {
        ids.withLock { ids in
            defer { ids = [] }
            return ids
        }
    }
}

extension ExportEngine {
    public func downloadPlace(of caller: String, limit: Int) async throws(GatewayError) -> DownloadPlace? {
        guard let replica else { return DownloadPlace() }
        let id = random.newID(at: time.now())
        let ended = replica.endedPlaces
        let isTaken: Bool
        do throws(GatewayError) {
            isTaken = try await asking {
                try await replica.ledger.takeDownloadPlace(id, of: caller, limit: limit)
            }
        } catch {
            // The place may have been stored although the answer was lost.
            ended.add(id)
            throw error
        }
        guard isTaken else { return nil }
        return DownloadPlace { ended.add(id) }
    }

    /// Gives places back in the ledger, until the replica ends. What is left then does not count, because the registration ends.
    func giveBackPlaces(of replica: Replica) async {
        while !replica.hasEnded, !Task.isCancelled {
            let ids = replica.endedPlaces.takeAll()
            guard !ids.isEmpty else {
                await replica.endedPlaces.news.wait()
                continue
            }
            do {
                try await replica.ledger.giveBackDownloadPlaces(ids)
            } catch {
                replica.endedPlaces.add(again: ids)
                logger.debug("places of downloads could not be given back", metadata: ["error": "\(error)"])
                try? await time.sleep(for: .seconds(1))
            }
        }
    }
}
