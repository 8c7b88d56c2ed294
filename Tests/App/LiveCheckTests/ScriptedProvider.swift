import Exports
import JSON
import NIOCore
import Synchronization

/// A provider that answers as a test says.
final class ScriptedProvider: ExportProvider {
    /// What the calls give, one after the other; the last one stays.
    struct Script: Sendable {
        var starts: [Result<UpstreamReference, ProviderError>] = [.success(UpstreamReference(id: "job"))]
        var observations: [Result<Observation, ProviderError>] = [.success(.done)]
        var file = Array("0123456789".utf8)
        var servesParts = true
        /// What a part has in place of the file's bytes.
        var part: [UInt8]?
    }

    static let descriptor = ProviderDescriptor(
        id: ProviderID("scripted"),
        title: "",
        description: "",
        optionsMember: "scripted",
        optionsSchema: .object([:]),
        capabilities: ProviderCapabilities(minimumPollInterval: .seconds(1))
    )

    private let script: Mutex<Script>

    init(_ script: Script) { self.script = Mutex(script) }

    func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        ValidatedExport(plan: ExportPlan(source: options, suggestedName: "scripted"))
    }

    func submit(
        _ plan: ExportPlan,
        secrets: [String: Secret],
        marker: SubmissionMarker,
        context: CallContext
    ) async throws(ProviderError) -> Submission {
        Submission(reference: try script.withLock { $0.starts.next }.get())
    }

    func reconcile(
        _ plan: ExportPlan,
        marker: SubmissionMarker,
        others: OtherExports,
        context: CallContext
    ) async throws(ProviderError) -> Submission? { nil }

    func reference(
        toUpstreamID id: String,
        of plan: ExportPlan,
        marker: SubmissionMarker
    ) throws(ProviderError) -> UpstreamReference { UpstreamReference(id: id) }

    func upstreamTime(at now: Timestamp) -> Timestamp? { nil }

    func observe(
        _ references: [UpstreamReference],
        context: CallContext
    ) async -> [UpstreamReference: Result<Observation, ProviderError>] {
        let answer = script.withLock { $0.observations.next }
        return Dictionary(references.map { ($0, answer) }) { $1 }
    }

    func cancel(_ reference: UpstreamReference, context: CallContext) async throws(ProviderError) {
        throw ProviderError(.unsupported, "")
    }

    func open(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange?,
        context: CallContext
    ) async throws(ProviderError) -> FileBody {
        script.withLock { script in
            guard let range, script.servesParts else { return body(script.file, nil) }
            let last = min(range.last ?? .max, Int64(script.file.count) - 1)
            let bytes = Array(script.file[Int(range.first)...Int(last)])
            return body(script.part ?? bytes, ContentRange(first: range.first, last: last))
        }
    }

    private func body(_ bytes: [UInt8], _ range: ContentRange?) -> FileBody {
        let chunks = AsyncThrowingStream<ByteBuffer, any Error> { stream in
            // In pieces of four bytes.
            for first in stride(from: 0, to: bytes.count, by: 4) {
                stream.yield(ByteBuffer(bytes: bytes[first..<min(first + 4, bytes.count)]))
            }
            stream.finish()
        }
        return FileBody(head: .init(contentLength: Int64(bytes.count), range: range), bytes: chunks)
    }
}

extension Array {
    /// The first element, which goes unless it is the last one.
    fileprivate var next: Element {
        mutating get { count > 1 ? removeFirst() : self[0] }
    }
}

extension Observation {
    /// A success with one file.
    static var done: Observation {
        var observation = Observation(.succeeded, upstreamStatus: "done")
        observation.files = [ExportFile(id: "1", name: "file")]
        return observation
    }

    static var running: Observation { Observation(.running, upstreamStatus: "running") }
}
