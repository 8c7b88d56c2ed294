public import Exports
import UpstreamHTTP

/// What a live check found: nothing in it is an id, a name or a value of an answer, so that it can be shared.
///
/// It has the ids of providers, statements of articles, numbers, words of closed lists, and names of members that look like those of
/// a schema (`Live-Check, What a report holds`).
public struct LiveReport: Sendable {
    /// One export.
    public struct Export: Sendable {
        public var provider: ProviderID
        public var outcome: LiveOutcome
        public var calls: [Calls]

        /// Compares what a log has with its expectations.
        public init(provider: ProviderID, outcome: LiveOutcome, log: AnswerLog) {
            self.provider = provider
            self.outcome = outcome
            calls = log.expectations.map { Calls($0, log.answers(to: $0.operation), outcome.part) }
        }

        var findings: [Finding] { calls.flatMap(\.findings) }
        /// Whether the export was made and read to where it was to be read.
        var isComplete: Bool { outcome.end == .read }
    }

    public var exports: [Export]

    /// Makes a report.
    public init(exports: [Export]) {
        self.exports = exports
    }

    /// Whether something differs from what is known or assumed.
    public var differs: Bool { count(.differs) > 0 }
    /// Whether every export was made, and its file read.
    public var isComplete: Bool { exports.allSatisfy(\.isComplete) }

    func count(_ outcome: Finding.Outcome) -> Int {
        exports.flatMap(\.findings).count { $0.outcome == outcome }
    }
}
