public import Exports
import NIOCore

/// One export on one connection, from its start to the first bytes of its file. Nothing is stored and nothing is deleted.
public struct LiveExport: Sendable {
    /// What bounds a check.
    public struct Limits: Sendable {
        /// How long the whole may take.
        public var time: Duration
        /// How many bytes of the file are read, about.
        public var bytes: Int64
        /// The shortest wait between two polls.
        public var pollInterval: Duration

        /// Makes limits.
        public init(time: Duration, bytes: Int64, pollInterval: Duration) {
            self.time = time
            self.bytes = bytes
            self.pollInterval = pollInterval
        }
    }

    /// How often a start is tried that the upstream asked to wait with.
    private static let mostStarts = 3
    /// How many polls in a row may fail in a way that passes.
    private static let mostFailedPolls = 10
    /// How many bytes are asked for as a part of the file, and compared.
    private static let partLength: Int64 = 4096

    private let provider: any ExportProvider
    private let export: ValidatedExport
    private let marker: SubmissionMarker
    private let context: CallContext
    private let limits: Limits
    private let time: any TimeSource
    private let say: @Sendable (String) -> Void

    /// Describes the export. `say` gets what happens, for the operator only: it has the upstream's own words in it.
    public init(
        provider: any ExportProvider,
        export: ValidatedExport,
        marker: SubmissionMarker,
        context: CallContext,
        limits: Limits,
        time: any TimeSource,
        say: @escaping @Sendable (String) -> Void
    ) {
        self.provider = provider
        self.export = export
        self.marker = marker
        self.context = context
        self.limits = limits
        self.time = time
        self.say = say
    }

    private enum Event: Sendable {
        case outcome(LiveOutcome)
        case timeIsOver
        case idle
    }

    /// Makes the export and returns what became of it. Cancelled, it returns as soon as the call under way has ended; the job is not
    /// stopped upstream.
    public func run() async -> LiveOutcome {
        await withTaskGroup(of: Event.self) { group in
            group.addTask { .outcome(await steps()) }
            group.addTask { (try? await time.deadline(after: limits.time)) == nil ? .idle : .timeIsOver }
            var outcome = LiveOutcome()
            var isOver = false
            for await event in group {
                switch event {
                case .outcome(let ended): outcome = ended
                case .timeIsOver: isOver = true
                case .idle: continue
                }
                group.cancelAll()
            }
            if isOver, case .stopped(let step) = outcome.end { outcome.end = .timedOut(step) }
            return outcome
        }
    }

    private func steps() async -> LiveOutcome {
        var outcome = LiveOutcome()
        do throws(ProviderError) {
            let reference = try await start()
            outcome.reference = reference
            outcome.mayRun = true
            outcome.step = .watch
            let observation = try await watch(reference, &outcome)
            outcome.mayRun = false
            guard observation.status.hasResult, let file = Self.smallest(observation.files) else {
                outcome.end = .ended(observation.status)
                return outcome
            }
            outcome.step = .download
            try await download(file, of: reference, &outcome)
            outcome.end = .read
        } catch {
            if outcome.step == .start { outcome.mayRun = error.code == .ambiguous || error.code == .accepted }
            outcome.detail = error.detail
            outcome.end = Task.isCancelled ? .stopped(outcome.step) : .failed(outcome.step, error.code)
        }
        return outcome
    }

    private static func smallest(_ files: [ExportFile]) -> ExportFile? {
        files.min { ($0.size ?? .max) < ($1.size ?? .max) }
    }

    // MARK: Start

    /// A start that was refused because it has to wait is tried again: nothing was started then.
    private func start() async throws(ProviderError) -> UpstreamReference {
        for _ in 1..<Self.mostStarts {
            do throws(ProviderError) {
                return try await submit()
            } catch {
                guard error.code == .throttled, !Task.isCancelled else { throw error }
                say("The start has to wait: \(error.detail)")
                try await pause(max(error.retryAfter ?? limits.pollInterval, limits.pollInterval))
            }
        }
        return try await submit()
    }

    private func submit() async throws(ProviderError) -> UpstreamReference {
        try await provider.submit(export.plan, secrets: export.secrets, marker: marker, context: context).reference
    }

    // MARK: Watch

    private func watch(
        _ reference: UpstreamReference,
        _ outcome: inout LiveOutcome
    ) async throws(ProviderError) -> Observation {
        var failures = 0
        while true {
            let wait: Duration?
            outcome.polls += 1
            switch await provider.observe([reference], context: context)[reference] {
            case .success(let observation):
                failures = 0
                say("\(observation.status.rawValue) (\(observation.upstreamStatus.prefix(64)))")
                // A success whose files are not listed yet is not the end.
                if observation.status.isTerminal, !observation.filesPending { return observation }
                wait = observation.pollAfter
            case .failure(let error):
                failures += 1
                // An upstream may not know a job for a moment after its start.
                guard error.isRetryable || error.code == .notFound, failures < Self.mostFailedPolls, !Task.isCancelled
                else { throw error }
                say("A poll failed: \(error.detail)")
                wait = error.retryAfter
            case nil:
                throw ProviderError(.permanent, "The adapter told nothing of the export.", problem: .internalError)
            }
            try await pause(max(wait ?? .zero, limits.pollInterval))
        }
    }

    private func pause(_ duration: Duration) async throws(ProviderError) {
        do {
            try await time.sleep(for: duration)
        } catch {
            throw ProviderError(.transient, "The check was stopped.", cause: error)
        }
    }

    // MARK: Download

    private func download(
        _ file: ExportFile,
        of reference: UpstreamReference,
        _ outcome: inout LiveOutcome
    ) async throws(ProviderError) {
        let whole = try await read(file, of: reference, range: nil, limit: limits.bytes)
        outcome.bytesRead = whole.count
        outcome.readToEnd = whole.isEnd
        guard whole.count > 1 else { return }
        // From the second byte: an upstream that answers with the whole file cannot be taken for one that serves parts.
        let range = FileRange(first: 1, last: Self.partLength - 1, validator: whole.head.validator)
        let part = try await read(file, of: reference, range: range, limit: Self.partLength)
        guard let came = part.head.range else {
            outcome.part = .whole
            return
        }
        // Of the whole, no more may be known than of the part, or less.
        let known = whole.first.dropFirst(Int(clamping: came.first))
        let length = min(known.count, part.first.count)
        let isSame = length > 0 && part.first.prefix(length).elementsEqual(known.prefix(length))
        outcome.part = isSame ? .sameBytes : .otherBytes
    }

    private struct Reading {
        var head: FileBody.Head
        /// The first bytes, at most `partLength`.
        var first: [UInt8] = []
        var count: Int64 = 0
        var isEnd = false
    }

    /// Reads about `limit` bytes. The call ends when the iterator is released.
    private func read(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange?,
        limit: Int64
    ) async throws(ProviderError) -> Reading {
        let body = try await provider.open(file, of: reference, range: range, context: context)
        var reading = Reading(head: body.head)
        do {
            for try await chunk in body.bytes {
                reading.count += Int64(chunk.readableBytes)
                reading.first += chunk.readableBytesView.prefix(Int(Self.partLength) - reading.first.count)
                if reading.count >= limit { return reading }
            }
            reading.isEnd = true
            return reading
        } catch let error as ProviderError {
            throw error
        } catch {
            throw ProviderError(.transient, "The download was stopped.", cause: error)
        }
    }
}
