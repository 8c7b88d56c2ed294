public import Exports
public import JSON

/// A provider on an upstream in memory, correct in every point: it keeps the suite honest, and makes tests of what is
/// above providers fast.
public struct MemoryProvider: ExportProvider {
    let upstream: MemoryUpstream

    /// Makes a provider of one account.
    public init(upstream: MemoryUpstream) {
        self.upstream = upstream
    }

    public static var descriptor: ProviderDescriptor {
        var capabilities = ProviderCapabilities(minimumPollInterval: .seconds(1))
        capabilities.cancel = true
        capabilities.progress = true
        capabilities.listing = true
        capabilities.batchObserve = true
        capabilities.reconcile = true
        capabilities.multipleFiles = true
        capabilities.rangeDownload = true
        capabilities.downloadLifetime = .seconds(3600)
        capabilities.formats = MemoryRequest.formats
        return ProviderDescriptor(
            id: ProviderID("memory"),
            title: "Memory",
            description: "Exports that live in the memory of one process.",
            optionsMember: "memory",
            optionsSchema: MemoryRequest.schema,
            capabilities: capabilities
        )
    }

    public func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        try MemoryRequest.validate(options)
    }

    public func submit(
        _ plan: ExportPlan,
        secrets: [String: Secret],
        marker: SubmissionMarker,
        context: CallContext
    ) async throws(ProviderError) -> Submission {
        if plan.needsSecrets, secrets[MemoryRequest.keyPointer] == nil {
            throw ProviderError(.permanent, "The access key is no longer known.", problem: .secretLost)
        }
        try await upstream.receive(token: upstream.token)
        try await context.willStart?()
        let job = try upstream.start(
            name: plan.suggestedName,
            format: plan.source["format"]?.string ?? "",
            marker: marker.text
        )
        return Submission(reference: UpstreamReference(id: job.id), observation: observation(of: job))
    }

    public func reconcile(
        _ plan: ExportPlan,
        marker: SubmissionMarker,
        others: OtherExports,
        context: CallContext
    ) async throws(ProviderError) -> Submission? {
        try await upstream.receive(token: upstream.token)
        return upstream.job(marked: marker.text)
            .map { Submission(reference: UpstreamReference(id: $0.id), observation: observation(of: $0)) }
    }

    public func reference(
        toUpstreamID id: String,
        of plan: ExportPlan,
        marker: SubmissionMarker
    ) throws(ProviderError) -> UpstreamReference {
        try checkOpaqueID(id, mustBe: "the id of a job")
        return UpstreamReference(id: id)
    }

    public func upstreamTime(at now: Timestamp) -> Timestamp? { upstream.now }

    /// One call for all references.
    public func observe(
        _ references: [UpstreamReference],
        context: CallContext
    ) async -> [UpstreamReference: Result<Observation, ProviderError>] {
        guard !references.isEmpty else { return [:] }
        var answers: [UpstreamReference: Result<Observation, ProviderError>] = [:]
        do throws(ProviderError) {
            try await upstream.receive(token: upstream.token)
            for reference in references {
                answers[reference] =
                    upstream.job(reference.id).map { .success(observation(of: $0)) }
                    ?? .failure(Self.notFound)
            }
        } catch {
            for reference in references { answers[reference] = .failure(error) }
        }
        return answers
    }

    public func cancel(_ reference: UpstreamReference, context: CallContext) async throws(ProviderError) {
        try await upstream.receive(token: upstream.token)
        guard upstream.job(reference.id) != nil else { throw Self.notFound }
        upstream.cancel(reference.id)
    }

    public func open(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange?,
        context: CallContext
    ) async throws(ProviderError) -> FileBody {
        try await upstream.receive(token: upstream.token)
        guard let job = upstream.job(reference.id) else { throw Self.notFound }
        guard !job.isExpired else { throw ProviderError(.gone, "The file is no longer kept.") }
        let files = job.files
        guard let number = Int(file.id), files.indices.contains(number - 1) else { throw Self.notFound }
        let bytes = files[number - 1].bytes
        var head = FileBody.Head(contentType: "application/octet-stream", contentLength: Int64(bytes.count))
        head.validator = "\"\(reference.id)/\(number)\""
        head.servesRanges = true
        guard let range, range.validator ?? head.validator == head.validator else {
            return FileBody(head: head, bytes: cut(bytes))
        }
        guard range.first < bytes.count else {
            throw ProviderError(.invalid, "The file has no bytes from byte \(range.first) on.")
        }
        let part = Array(bytes[Int(range.first)...Int(min(range.last ?? .max, Int64(bytes.count - 1)))])
        head.contentLength = Int64(part.count)
        head.range = ContentRange(
            first: range.first,
            last: range.first + Int64(part.count - 1),
            completeLength: Int64(bytes.count)
        )
        return FileBody(head: head, bytes: cut(part))
    }

    private func cut(_ bytes: [UInt8]) -> MemoryBytes {
        MemoryBytes(bytes: bytes, end: min(bytes.count, upstream.downloadCut.map { Int($0) } ?? bytes.count))
    }

    private static var notFound: ProviderError { ProviderError(.notFound, "There is no such job or file.") }

    private func observation(of job: MemoryUpstream.Job) -> Observation {
        let statuses: [String: ExportStatus] = [
            "queued": .notStarted, "working": .running, "ready": .succeeded, "broken": .failed, "stopped": .canceled,
        ]
        var observation = Observation(statuses[job.status] ?? .unknown, upstreamStatus: job.status)
        observation.percentComplete = job.progress
        if observation.status == .failed {
            observation.failure = ExportFailure(.exportFailed, "The upstream could not make the files.")
        }
        observation.files = job.files.enumerated()
            .map { ExportFile(id: "\($0 + 1)", name: $1.name, size: Int64($1.bytes.count)) }
        return observation
    }
}
