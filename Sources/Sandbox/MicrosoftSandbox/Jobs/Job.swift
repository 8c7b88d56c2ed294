import Exports
import JSON

/// One export (or estimate) that somebody started. What it shows is computed from the time since then, whenever it is read.
struct Job: Sendable {
    enum Kind: Sendable {
        case legacyExport
        case reviewSetExport
        case queryExport
        case searchExportReport
        case searchExportResult
        case estimate
        case goals
        case powerBI
        case intune
    }

    /// How the job ends, if it does.
    enum Outcome: Sendable, Equatable {
        case succeeded
        case partiallySucceeded
        case failed
        case failedBusy(retryAfter: Int)
        case submissionFailed
        case stuck
        case unknown(String)
    }

    enum Phase: Sendable, Equatable {
        case notStarted
        /// The part of the duration that has passed, 0…1.
        case running(Double)
        case finished
    }

    let id: String
    let kind: Kind
    let createdAt: Timestamp
    /// The digits of creation below a millisecond, 0…9999: Microsoft's timestamps have seven.
    let ticks: Int64
    var duration: Duration
    /// What people call it: outputName, displayName, view or report.
    var name: String
    /// The caller's description.
    var marker: String?
    /// The members of the request that its answers repeat.
    var request: JSONValue
    /// The ids of what it was started in: case, reviewSet, search, organization, view, group, report.
    var place: [String: String]
    var outcome: Outcome = .succeeded
    var metadataLag: Duration = .zero
    var files: [FileSpec] = []
    /// Whether its files are handed out as pre-signed links.
    var preAuthorizedLinks = false
    /// Members that it is shown with, whatever it is; and those that it is shown without.
    var shown: [String: JSONValue] = [:]
    var hidden: Set<String> = []
    /// How long lists do without it.
    var listLag: Duration = .zero
    /// The pages or visuals that progress is counted in.
    var steps = 1
    /// How often it was read.
    var polls = 0
}

extension Job {
    func phase(at now: Timestamp) -> Phase {
        let elapsed = now - createdAt
        if outcome == .submissionFailed { return .finished }
        if elapsed * 10 < duration { return .notStarted }
        switch outcome {
        case .stuck, .unknown: return .running(0.5)
        default: break
        }
        if elapsed >= duration { return .finished }
        return .running(Double(elapsed.milliseconds) / Double(max(1, duration.milliseconds)))
    }

    func isOpen(at now: Timestamp) -> Bool { phase(at: now) != .finished }

    /// Whether it has ended with something to download.
    func hasFiles(at now: Timestamp) -> Bool {
        guard phase(at: now) == .finished else { return false }
        return outcome == .succeeded || (outcome == .partiallySucceeded && isEDiscovery)
    }

    var isEDiscovery: Bool { kind != .goals && kind != .powerBI && kind != .intune }

    /// Whether lists have it by now.
    func isListed(at now: Timestamp) -> Bool { now >= createdAt + listLag }

    /// Its members as it is to be shown, instead of as they are.
    func disguised(_ members: [String: JSONValue]) -> [String: JSONValue] {
        members.merging(shown) { $1 }.filter { !hidden.contains($0.key) }
    }

    /// When it ends, or ended.
    var completesAt: Timestamp { outcome == .submissionFailed ? createdAt : createdAt + duration }

    /// Whole seconds until it ends, for a `Retry-After` that fits a sped-up world: 1…60.
    func secondsLeft(at now: Timestamp) -> Int64 { min(60, max(1, (completesAt - now).wholeSecondsRoundedUp)) }

    /// Every text that a rule may look for.
    var subjects: [String] { [id, name, marker].compactMap(\.self) + place.values }

    /// Takes the faults of the call that starts or reads it.
    mutating func take(_ faults: Faults, asStart: Bool) {
        switch faults[.outcome] {
        case .failed: outcome = .failed
        case .failedBusy(let seconds): outcome = .failedBusy(retryAfter: seconds)
        case .partiallySucceeded: outcome = .partiallySucceeded
        case .submissionFailed: outcome = .submissionFailed
        case .stuck: outcome = .stuck
        case .unknownStatus(let value) where asStart: outcome = .unknown(value)
        default: break
        }
        if asStart, case .members(let set, let remove) = faults[.members] { (shown, hidden) = (set, Set(remove)) }
        if case .listLag(let seconds) = faults[.listLag] { listLag = .seconds(seconds) }
        if case .metadataLag(let seconds) = faults[.lag] { metadataLag = .seconds(seconds) }
        if faults.has(.preAuthorizedLink) { preAuthorizedLinks = true }
        if case .fileContent(let bytes, let kind) = faults[.content], let first = files.first {
            files[0] = first.replaced(bytes: bytes, kind: kind)
            // For Intune, `lead` is the archive of the job.
            if self.kind == .intune { files[0].lead = [] }
        }
        if case .leadingBytes(let bytes) = faults[.lead], !files.isEmpty { files[0].lead = bytes }
    }
}
