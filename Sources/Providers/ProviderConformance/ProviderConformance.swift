import Exports

/// The suite that every adapter must pass: what `ExportProvider` promises, asked of a real provider at an upstream that
/// can be made to misbehave.
///
///     let findings = await ProviderConformance(harness).run()
///     #expect(findings == [])
///
/// What is declared must work, what is not declared must be refused without a network call.
public struct ProviderConformance: Sendable {
    private let harness: ConformanceHarness

    /// Makes the suite for one upstream.
    public init(_ harness: ConformanceHarness) {
        self.harness = harness
    }

    /// The checks that cannot be made, because the harness lacks what they need or the provider does not declare it.
    public func skipped() async throws -> Set<ConformanceCheck> {
        let capabilities = type(of: try await harness.makeProvider()).descriptor.capabilities
        let possible: [ConformanceCheck: Bool] = [
            .secretsStayOutOfThePlan: harness.secretOptions != nil,
            .reconcileFindsTheJob: capabilities.reconcile,
            .undeclaredIsUnsupported: !capabilities.reconcile || !capabilities.cancel,
            .cancelStopsTheJob: capabilities.cancel,
            .brokenStartIsAmbiguous: harness.cutStarts != nil,
            .failureIsTold: harness.failJobs != nil,
            .unknownStatusIsUnknown: harness.showUnknownStatus != nil,
            .brokenDownloadThrows: harness.cutDownloads != nil,
            .expiredFilesAreGone: harness.expireFiles != nil,
            .throttlingIsTold: harness.throttle != nil,
            .serverErrorsPass: harness.failCalls != nil,
            .refusedTokenIsUnauthenticated: harness.rejectTokens != nil,
            .cancellationIsPrompt: harness.stallCalls != nil,
        ]
        return Set(possible.filter { !$0.value }.keys)
    }

    /// Runs every check, one after the other, and tells every finding. None means that the provider keeps its contract.
    ///
    /// The calls hang as long as the provider does, except where cancellation is examined: the harness's patience ends that.
    public func run() async -> [ConformanceFinding] {
        let record = ConformanceRecord()
        for check in ConformanceCheck.allCases {
            let examination = Examination(check: check, harness: harness, record: record)
            do {
                try await examination.run()
            } catch is Examination.Ended {
                // The reason has been reported.
            } catch {
                examination.report("the check can be carried out", found: error)
            }
            await harness.clearFaults()
        }
        return record.findings
    }
}

extension Examination {
    fileprivate func run() async throws {
        switch check {
        case .descriptorIsSound: try await descriptorIsSound()
        case .schemaDescribesTheOptions: try await schemaDescribesTheOptions()
        case .validateIsPure: try await validateIsPure()
        case .validateFindsEveryFault: try await validateFindsEveryFault()
        case .unknownMembersAreRefused: try await unknownMembersAreRefused()
        case .secretsStayOutOfThePlan: try await secretsStayOutOfThePlan()
        case .submitStartsOneJob: try await submitStartsOneJob()
        case .reconcileFindsTheJob: try await reconcileFindsTheJob()
        case .undeclaredIsUnsupported: try await undeclaredIsUnsupported()
        case .cancelStopsTheJob: try await cancelStopsTheJob()
        case .brokenStartIsAmbiguous: try await brokenStartIsAmbiguous()
        case .idLeadsToTheJob: try await idLeadsToTheJob()
        case .startAsksBeforehand: try await startAsksBeforehand()
        case .everyReferenceIsAnswered: try await everyReferenceIsAnswered()
        case .statusWalksToSuccess: try await statusWalksToSuccess()
        case .failureIsTold: try await failureIsTold()
        case .unknownStatusIsUnknown: try await unknownStatusIsUnknown()
        case .filesAreStable: try await filesAreStable()
        case .bytesAreExact: try await bytesAreExact()
        case .partsAreExact: try await partsAreExact()
        case .brokenDownloadThrows: try await brokenDownloadThrows()
        case .expiredFilesAreGone: try await expiredFilesAreGone()
        case .throttlingIsTold: try await throttlingIsTold()
        case .serverErrorsPass: try await serverErrorsPass()
        case .refusedTokenIsUnauthenticated: try await refusedTokenIsUnauthenticated()
        case .cancellationIsPrompt: try await cancellationIsPrompt()
        case .noSecretIsHandedOut: await noSecretIsHandedOut()
        }
    }
}
