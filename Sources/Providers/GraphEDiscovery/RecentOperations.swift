import Exports
import Synchronization

/// What was said a moment ago of operations with several files: an archive of them costs one call, and not one for each file.
///
/// Kept for each token apart, so that nobody gets a link that another one's rights gave. Bounded in number and time; a link
/// that fails ends what is kept of its operation.
final class RecentOperations: Sendable {
    /// For how long an operation's links are used: shorter than any that Purview is known to give.
    static let lifetime = Duration.seconds(300)
    /// How many operations are kept.
    static let limit = 32
    /// Of how many files at most an operation is kept.
    static let files = 1000

    private struct Key: Hashable {
        var reference: UpstreamReference
        var authorization: Secret?
    }

    private let entries = Mutex<[Key: (operation: CaseOperation, at: Timestamp)]>([:])

    func operation(_ reference: UpstreamReference, _ authorization: Secret?, at now: Timestamp) -> CaseOperation? {
        entries.withLock { entries in
            let key = Key(reference: reference, authorization: authorization)
            // If the clock was set back, the entry is not kept for longer.
            guard let entry = entries[key], entry.at <= now, now - entry.at < Self.lifetime else {
                entries[key] = nil
                return nil
            }
            return entry.operation
        }
    }

    func keep(
        _ operation: CaseOperation,
        of reference: UpstreamReference,
        _ authorization: Secret?,
        at now: Timestamp
    ) {
        guard (2...Self.files).contains(operation.exportFileMetadata.count) else { return }
        entries.withLock { entries in
            entries[Key(reference: reference, authorization: authorization)] = (operation, now)
            guard entries.count > Self.limit, let oldest = entries.min(by: { $0.value.at < $1.value.at }) else {
                return
            }
            entries[oldest.key] = nil
        }
    }

    /// Drops the links and tokens whose time is over. Called with each download and each poll.
    func dropExpired(at now: Timestamp) {
        entries.withLock { entries in
            guard !entries.isEmpty else { return }
            // If the clock was set back, the entry is not kept for longer.
            entries = entries.filter { $0.value.at <= now && now - $0.value.at < Self.lifetime }
        }
    }

    /// How many operations are kept.
    var count: Int { entries.withLock { $0.count } }

    func remove(_ reference: UpstreamReference, _ authorization: Secret?) {
        entries.withLock { $0[Key(reference: reference, authorization: authorization)] = nil }
    }
}
