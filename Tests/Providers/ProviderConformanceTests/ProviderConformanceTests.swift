import Exports
@testable import ProviderConformance
import ManualClock
import Testing

@Suite struct ProviderConformanceTests {
    @Test func theReferenceProviderKeepsItsContract() async throws {
        let suite = ProviderConformance(.memory(MemoryUpstream()) { MemoryProvider(upstream: $0) })
        #expect(await suite.run() == [])
        #expect(try await suite.skipped() == [.undeclaredIsUnsupported])
    }

    private func run<Form: Shape>(
        _ form: Form.Type,
        _ mutation: Mutation = .none,
        prepare: (inout ConformanceHarness) -> Void = { _ in }
    ) async -> [ConformanceFinding] {
        let (clock, counter) = (ManualTime(), Counter())
        var harness = ConformanceHarness.memory(MemoryUpstream(clock: clock)) {
            Mutant<Form>(base: MemoryProvider(upstream: $0), mutation: mutation, counter: counter)
        }
        // Only where the answer is known never to come: elsewhere a busy machine may need its time.
        if mutation == .ignoresCancellation { harness.patience = .milliseconds(200) }
        prepare(&harness)
        let findings = await ProviderConformance(harness).run()
        // Lets go of the call that did not hear of its cancellation.
        clock.advance(by: .seconds(3600))
        return findings
    }

    @Test func aMutantWithoutAMutationPasses() async {
        #expect(await run(AsItIs.self) == [])
        #expect(await run(WithoutCancel.self) == [])
        #expect(await run(WithoutReconcile.self) == [])
        // Parts may be served by whom they are not asked of.
        #expect(await run(WithoutParts.self) == [])
        #expect(await run(WithoutParts.self, .servesNoParts) == [])
    }

    private static let mutants: [(Mutation, ConformanceCheck)] = [
        (.callsInValidate, .validateIsPure), (.omitsFaults, .validateFindsEveryFault),
        (.acceptsAnyMember, .unknownMembersAreRefused), (.writesTheSecretDown, .secretsStayOutOfThePlan),
        (.writesTheSecretDown, .noSecretIsHandedOut), (.goesOnWithoutTheSecret, .secretsStayOutOfThePlan),
        (.startsTwice, .submitStartsOneJob), (.answersWithAnotherReference, .submitStartsOneJob),
        (.losesTheMarker, .reconcileFindsTheJob), (.findsAnyJob, .reconcileFindsTheJob),
        (.losesEndedJobs, .reconcileFindsTheJob), (.cancelsNothing, .cancelStopsTheJob),
        (.cancelsAll, .cancelStopsTheJob), (.repeatsABrokenStart, .brokenStartIsAmbiguous),
        (.callsABrokenStartTransient, .brokenStartIsAmbiguous), (.omitsMissingJobs, .everyReferenceIsAnswered),
        (.inventsMissingJobs, .everyReferenceIsAnswered), (.asksForEach, .everyReferenceIsAnswered),
        (.failsAllForOne, .everyReferenceIsAnswered), (.succeedsEarly, .statusWalksToSuccess),
        (.goesBack, .statusWalksToSuccess), (.tellsWrongProgress, .statusWalksToSuccess),
        (.showsFilesEarly, .statusWalksToSuccess), (.hidesFailures, .failureIsTold),
        (.takesUnknownForSuccess, .unknownStatusIsUnknown), (.reordersFiles, .filesAreStable),
        (.invertsIDs, .filesAreStable), (.invertsIDs, .bytesAreExact), (.dropsTheLastByte, .bytesAreExact),
        (.servesOnce, .bytesAreExact), (.endsQuietly, .brokenDownloadThrows),
        (.servesNoParts, .partsAreExact), (.shiftsParts, .partsAreExact), (.omitsTheRange, .partsAreExact),
        (.endsPartsEarly, .partsAreExact), (.ignoresTheValidator, .partsAreExact), (.ignoresTheEnd, .partsAreExact),
        (.deliversGarbageAtTheBreak, .brokenDownloadThrows), (.callsExpiredTransient, .expiredFilesAreGone),
        (.omitsRetryAfter, .throttlingIsTold), (.callsServerErrorsPermanent, .serverErrorsPass),
        (.callsRefusedTokensTransient, .refusedTokenIsUnauthenticated), (.ignoresCancellation, .cancellationIsPrompt),
        (.takesAnyID, .idLeadsToTheJob), (.startsUnasked, .startAsksBeforehand),
        (.startsThoughCancelled, .cancellationIsPrompt), (.printsTheToken, .noSecretIsHandedOut),
    ]

    @Test(arguments: mutants)
    private func everyMutantIsCaught(_ mutation: Mutation, _ check: ConformanceCheck) async {
        let findings = await run(AsItIs.self, mutation)
        #expect(findings.contains { $0.check == check }, "\(findings)")
    }

    @Test func everyMutationHasItsCheck() {
        let tried = Set(Self.mutants.map(\.0)).union([.none, .callsForUnsupported])
        #expect(tried == Set(Mutation.allCases))
    }

    @Test func everyCheckCatchesSomething() {
        let tried = Set(Self.mutants.map(\.1))
            .union([.descriptorIsSound, .schemaDescribesTheOptions, .undeclaredIsUnsupported])
        #expect(tried == Set(ConformanceCheck.allCases))
    }

    @Test func whatIsDeclaredWronglyIsCaught() async {
        func checks(_ findings: [ConformanceFinding]) -> Set<ConformanceCheck> { Set(findings.map(\.check)) }
        #expect(checks(await run(WithoutATitle.self)) == [.descriptorIsSound])
        #expect(checks(await run(WithAMemberMissingInTheSchema.self)).contains(.schemaDescribesTheOptions))
        #expect(checks(await run(WithANestedMemberMissingInTheSchema.self)).contains(.schemaDescribesTheOptions))
        #expect(checks(await run(WithAFormatMissingInTheSchema.self)) == [.schemaDescribesTheOptions])
        #expect(checks(await run(WithoutProgress.self)) == [.statusWalksToSuccess])
        #expect(checks(await run(WithOneFile.self)) == [.filesAreStable])
        #expect(checks(await run(WithoutCancel.self, .callsForUnsupported)) == [.undeclaredIsUnsupported])
        #expect(checks(await run(WithoutReconcile.self, .callsForUnsupported)) == [.undeclaredIsUnsupported])
    }

    @Test func whatAnUpstreamCannotDoIsSkippedAndNamed() async throws {
        var harness = ConformanceHarness.memory(MemoryUpstream()) { MemoryProvider(upstream: $0) }
        harness.secretOptions = nil
        harness.advanceJobs = nil
        harness.failJobs = nil
        harness.showUnknownStatus = nil
        harness.throttle = nil
        harness.failCalls = nil
        harness.cutStarts = nil
        harness.rejectTokens = nil
        harness.cutDownloads = nil
        harness.expireFiles = nil
        harness.stallCalls = nil
        let suite = ProviderConformance(harness)
        #expect(await suite.run() == [])
        #expect(
            try await suite.skipped() == [
                .undeclaredIsUnsupported, .secretsStayOutOfThePlan, .brokenStartIsAmbiguous, .failureIsTold,
                .unknownStatusIsUnknown, .brokenDownloadThrows, .expiredFilesAreGone, .throttlingIsTold,
                .serverErrorsPass, .refusedTokenIsUnauthenticated, .cancellationIsPrompt,
            ]
        )
    }

    @Test func aHarnessThatFailsIsAFinding() async {
        struct Broken: Error {}
        let findings = await run(AsItIs.self) { $0.finishJobs = { throw Broken() } }
        #expect(findings.contains { $0.check == .statusWalksToSuccess && $0.expected.contains("carried out") })
    }

    @Test func aFindingReadsAsASentence() {
        let finding = ConformanceFinding(check: .bytesAreExact, expected: "the 3 bytes", found: "2 bytes")
        #expect("\(finding)" == "bytes-are-exact: expected the 3 bytes; found 2 bytes")
    }
}
