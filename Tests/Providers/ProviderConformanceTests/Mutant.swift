import Exports
import JSON
import NIOCore
import Synchronization
@testable import ProviderConformance

/// What is wrong with a mutant's descriptor.
protocol Shape: Sendable {
    static func change(_ descriptor: inout ProviderDescriptor)
}

enum AsItIs: Shape {
    static func change(_ descriptor: inout ProviderDescriptor) {}
}

enum WithoutCancel: Shape {
    static func change(_ descriptor: inout ProviderDescriptor) { descriptor.capabilities.cancel = false }
}

enum WithoutReconcile: Shape {
    static func change(_ descriptor: inout ProviderDescriptor) { descriptor.capabilities.reconcile = false }
}

enum WithoutProgress: Shape {
    static func change(_ descriptor: inout ProviderDescriptor) { descriptor.capabilities.progress = false }
}

enum WithoutParts: Shape {
    static func change(_ descriptor: inout ProviderDescriptor) { descriptor.capabilities.rangeDownload = false }
}

enum WithOneFile: Shape {
    static func change(_ descriptor: inout ProviderDescriptor) { descriptor.capabilities.multipleFiles = false }
}

enum WithoutATitle: Shape {
    static func change(_ descriptor: inout ProviderDescriptor) { descriptor.title = "" }
}

enum WithAMemberMissingInTheSchema: Shape {
    static func change(_ descriptor: inout ProviderDescriptor) {
        descriptor.optionsSchema = descriptor.optionsSchema.setting(nil, at: "/properties/title")
    }
}

enum WithANestedMemberMissingInTheSchema: Shape {
    static func change(_ descriptor: inout ProviderDescriptor) {
        descriptor.optionsSchema = descriptor.optionsSchema.setting(nil, at: "/properties/selection/properties/field")
    }
}

enum WithAFormatMissingInTheSchema: Shape {
    static func change(_ descriptor: inout ProviderDescriptor) { descriptor.capabilities.formats.append("pdf") }
}

/// What is wrong with a mutant's behaviour.
enum Mutation: Sendable, Hashable, CaseIterable {
    case none
    case callsInValidate, omitsFaults, acceptsAnyMember, writesTheSecretDown, goesOnWithoutTheSecret
    case startsTwice, answersWithAnotherReference, losesTheMarker, findsAnyJob, losesEndedJobs, callsForUnsupported
    case cancelsNothing, cancelsAll, repeatsABrokenStart, callsABrokenStartTransient
    case omitsMissingJobs, inventsMissingJobs, asksForEach, failsAllForOne
    case succeedsEarly, goesBack, tellsWrongProgress, showsFilesEarly, hidesFailures, takesUnknownForSuccess
    case reordersFiles, invertsIDs, dropsTheLastByte, servesOnce, endsQuietly, deliversGarbageAtTheBreak
    case servesNoParts, shiftsParts, omitsTheRange, endsPartsEarly, ignoresTheValidator, ignoresTheEnd
    case callsExpiredTransient, omitsRetryAfter, callsServerErrorsPermanent, callsRefusedTokensTransient
    case ignoresCancellation, startsThoughCancelled, printsTheToken
    case takesAnyID, startsUnasked
}

final class Counter: Sendable {
    private let count = Atomic(0)

    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}

/// A memory provider with one fault in its behaviour and one in its descriptor.
struct Mutant<Form: Shape>: ExportProvider {
    let base: MemoryProvider
    let mutation: Mutation
    /// Counts across all providers of one run.
    let counter: Counter

    static var descriptor: ProviderDescriptor {
        var descriptor = MemoryProvider.descriptor
        Form.change(&descriptor)
        return descriptor
    }

    func validate(_ options: JSONValue) throws(ProviderError) -> ValidatedExport {
        switch mutation {
        case .callsInValidate:
            base.upstream.arrive()
            return try base.validate(options)
        case .omitsFaults:
            do throws(ProviderError) {
                return try base.validate(options)
            } catch {
                var error = error
                error.faults = Array(error.faults.prefix(1))
                throw error
            }
        case .acceptsAnyMember:
            let known = ["format", "title", "accessKey", "selection"]
            guard case .object(let members) = options else { return try base.validate(options) }
            return try base.validate(.object(members.filter { known.contains($0.key) }))
        case .writesTheSecretDown:
            var valid = try base.validate(options)
            if let key = options["accessKey"] { valid.plan.source = valid.plan.source.setting(key, at: "/accessKey") }
            return valid
        default: return try base.validate(options)
        }
    }

    func submit(
        _ plan: ExportPlan,
        secrets: [String: Secret],
        marker: SubmissionMarker,
        context: CallContext
    ) async throws(ProviderError) -> Submission {
        var asked = context
        if mutation == .startsUnasked { asked.willStart = nil }
        let context = asked
        func start(_ marker: SubmissionMarker) async throws(ProviderError) -> Submission {
            try await base.submit(plan, secrets: secrets, marker: marker, context: context)
        }
        switch mutation {
        case .goesOnWithoutTheSecret:
            var plan = plan
            plan.needsSecrets = false
            return try await base.submit(plan, secrets: secrets, marker: marker, context: context)
        case .startsTwice:
            _ = try await start(marker)
            return try await start(marker)
        case .answersWithAnotherReference:
            _ = try await start(marker)
            return Submission(reference: UpstreamReference(id: "job-1"))
        case .losesTheMarker:
            return try await start(
                SubmissionMarker(exportID: marker.exportID, exportName: "", notBefore: marker.notBefore).lost
            )
        case .repeatsABrokenStart:
            do throws(ProviderError) {
                return try await start(marker)
            } catch  where error.code == .ambiguous {
                return try await start(marker)
            }
        case .callsABrokenStartTransient:
            do throws(ProviderError) {
                return try await start(marker)
            } catch  where error.code == .ambiguous {
                throw ProviderError(.transient, "Try again.")
            }
        case .startsThoughCancelled:
            let base = base
            let outcome =
                await Task.detached { () async -> Result<Submission, ProviderError> in
                    do throws(ProviderError) {
                        return .success(
                            try await base.submit(plan, secrets: secrets, marker: marker, context: context)
                        )
                    } catch {
                        return .failure(error)
                    }
                }
                .value
            return try outcome.get()
        default: return try await translated { () async throws(ProviderError) in try await start(marker) }
        }
    }

    func reconcile(
        _ plan: ExportPlan,
        marker: SubmissionMarker,
        others: OtherExports,
        context: CallContext
    ) async throws(ProviderError) -> Submission? {
        if !Self.descriptor.capabilities.reconcile {
            if mutation == .callsForUnsupported { base.upstream.arrive() }
            throw ProviderError(.unsupported, "No.")
        }
        let found = try await base.reconcile(plan, marker: marker, others: others, context: context)
        switch mutation {
        case .findsAnyJob:
            return found ?? (base.upstream.job("job-1").map { Submission(reference: UpstreamReference(id: $0.id)) })
        case .losesEndedJobs: return found?.observation?.status.isTerminal == true ? nil : found
        default: return found
        }
    }

    func reference(
        toUpstreamID id: String,
        of plan: ExportPlan,
        marker: SubmissionMarker
    ) throws(ProviderError) -> UpstreamReference {
        if mutation == .takesAnyID { return UpstreamReference(id: id) }
        return try base.reference(toUpstreamID: id, of: plan, marker: marker)
    }

    func upstreamTime(at now: Timestamp) -> Timestamp? { base.upstreamTime(at: now) }

    func observe(
        _ references: [UpstreamReference],
        context: CallContext
    ) async -> [UpstreamReference: Result<Observation, ProviderError>] {
        if mutation == .ignoresCancellation {
            let base = base
            return await Task.detached { await base.observe(references, context: context) }.value
        }
        var answers: [UpstreamReference: Result<Observation, ProviderError>] = [:]
        if mutation == .asksForEach {
            for reference in references {
                answers.merge(await base.observe([reference], context: context)) { $1 }
            }
            return answers
        }
        answers = await base.observe(references, context: context)
        for (reference, answer) in answers {
            switch answer {
            case .success(let observation): answers[reference] = .success(changed(observation))
            case .failure(let error):
                switch mutation {
                case .omitsMissingJobs where error.code == .notFound: answers[reference] = nil
                case .inventsMissingJobs where error.code == .notFound:
                    answers[reference] = .success(Observation(.running, upstreamStatus: "working"))
                case .failsAllForOne where error.code == .notFound:
                    for reference in references { answers[reference] = .failure(error) }
                    return answers
                default: answers[reference] = .failure(translated(error))
                }
            }
        }
        return answers
    }

    private func changed(_ observation: Observation) -> Observation {
        var changed = observation
        switch mutation {
        case .succeedsEarly where observation.status == .running: changed.status = .succeeded
        case .goesBack where observation.status == .succeeded && counter.next().isMultiple(of: 2):
            changed.status = .running
        case .tellsWrongProgress where observation.percentComplete == 50: changed.percentComplete = 150
        case .showsFilesEarly where observation.status == .running:
            changed.files = [ExportFile(id: "1", name: "early")]
        case .hidesFailures: changed.failure = nil
        case .takesUnknownForSuccess where observation.status == .unknown: changed.status = .succeeded
        case .reordersFiles where counter.next().isMultiple(of: 2): changed.files.reverse()
        case .invertsIDs:
            let ids = observation.files.map(\.id).reversed()
            changed.files = zip(observation.files, ids)
                .map { file, id in ExportFile(id: id, name: file.name, size: file.size) }
        default: break
        }
        return changed
    }

    func cancel(_ reference: UpstreamReference, context: CallContext) async throws(ProviderError) {
        if !Self.descriptor.capabilities.cancel {
            if mutation == .callsForUnsupported { base.upstream.arrive() }
            throw ProviderError(.unsupported, "No.")
        }
        switch mutation {
        case .cancelsNothing: return
        case .cancelsAll:
            for number in 1...base.upstream.startedJobs { base.upstream.cancel("job-\(number)") }
        default: try await base.cancel(reference, context: context)
        }
    }

    func open(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange?,
        context: CallContext
    ) async throws(ProviderError) -> FileBody {
        if mutation == .servesOnce, counter.next() > 1 { throw ProviderError(.gone, "It was served.") }
        let body = try await translated { () async throws(ProviderError) in
            try await base.open(file, of: reference, range: changed(range), context: context)
        }
        if body.head.range != nil { return changedPart(body) }
        guard let bytes = body.bytes as? MemoryBytes else { return body }
        let isCut = bytes.end < bytes.bytes.count
        let replacement: MemoryBytes? =
            switch mutation {
            case .dropsTheLastByte where !isCut:
                MemoryBytes(bytes: Array(bytes.bytes.dropLast()), end: bytes.end - 1)
            case .endsQuietly where isCut:
                MemoryBytes(bytes: Array(bytes.bytes.prefix(bytes.end)), end: bytes.end)
            case .deliversGarbageAtTheBreak where isCut:
                MemoryBytes(bytes: bytes.bytes.map { $0 ^ 1 }, end: bytes.end)
            default: nil
            }
        return FileBody(head: body.head, bytes: replacement ?? bytes)
    }

    private func changed(_ range: FileRange?) -> FileRange? {
        guard var range else { return nil }
        switch mutation {
        case .servesNoParts: return nil
        case .ignoresTheEnd where range.first >= 40_000: return nil
        case .ignoresTheValidator: range.validator = nil
        default: break
        }
        return range
    }

    private func changedPart(_ body: FileBody) -> FileBody {
        guard var part = body.bytes as? MemoryBytes else { return body }
        var head = body.head
        switch mutation {
        case .shiftsParts: part = MemoryBytes(bytes: part.bytes.dropFirst() + [0], end: part.end)
        case .endsPartsEarly: part = MemoryBytes(bytes: part.bytes.dropLast(), end: part.end - 1)
        case .omitsTheRange: head.range = nil
        default: break
        }
        return FileBody(head: head, bytes: part)
    }

    private func translated<Answer>(
        _ call: () async throws(ProviderError) -> Answer
    ) async throws(ProviderError) -> Answer {
        do throws(ProviderError) {
            return try await call()
        } catch {
            throw translated(error)
        }
    }

    private func translated(_ error: ProviderError) -> ProviderError {
        var error = error
        switch mutation {
        case .callsExpiredTransient where error.code == .gone: error.code = .transient
        case .omitsRetryAfter: error.retryAfter = nil
        case .callsServerErrorsPermanent where error.code == .transient && error.upstream != nil:
            error.code = .permanent
        case .callsRefusedTokensTransient where error.code == .unauthenticated: error.code = .transient
        case .printsTheToken: error.detail += " Authorization: Bearer " + base.upstream.token.reveal()
        default: break
        }
        return error
    }
}

extension SubmissionMarker {
    /// A marker that nobody looks for.
    fileprivate var lost: SubmissionMarker {
        var random = SystemRandomNumberGenerator()
        return SubmissionMarker(
            exportID: ExportID(at: notBefore, random: &random),
            exportName: exportName,
            notBefore: notBefore
        )
    }
}
