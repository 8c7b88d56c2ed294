/// What is examined, one name for each question. The raw value is the check's name in reports.
public enum ConformanceCheck: String, Sendable, Hashable, CaseIterable {
    // Before any call.
    case descriptorIsSound = "descriptor-is-sound"
    case schemaDescribesTheOptions = "schema-describes-the-options"
    case validateIsPure = "validate-is-pure"
    case validateFindsEveryFault = "validate-finds-every-fault"
    case unknownMembersAreRefused = "unknown-members-are-refused"
    case secretsStayOutOfThePlan = "secrets-stay-out-of-the-plan"
    // The start.
    case submitStartsOneJob = "submit-starts-one-job"
    case reconcileFindsTheJob = "reconcile-finds-the-job"
    case undeclaredIsUnsupported = "undeclared-is-unsupported"
    case cancelStopsTheJob = "cancel-stops-the-job"
    case brokenStartIsAmbiguous = "broken-start-is-ambiguous"
    case idLeadsToTheJob = "id-leads-to-the-job"
    case startAsksBeforehand = "start-asks-beforehand"
    // The way to the end.
    case everyReferenceIsAnswered = "every-reference-is-answered"
    case statusWalksToSuccess = "status-walks-to-success"
    case failureIsTold = "failure-is-told"
    case unknownStatusIsUnknown = "unknown-status-is-unknown"
    // The files.
    case filesAreStable = "files-are-stable"
    case bytesAreExact = "bytes-are-exact"
    case partsAreExact = "parts-are-exact"
    case brokenDownloadThrows = "broken-download-throws"
    case expiredFilesAreGone = "expired-files-are-gone"
    // What goes wrong.
    case throttlingIsTold = "throttling-is-told"
    case serverErrorsPass = "server-errors-pass"
    case refusedTokenIsUnauthenticated = "refused-token-is-unauthenticated"
    case cancellationIsPrompt = "cancellation-is-prompt"
    case noSecretIsHandedOut = "no-secret-is-handed-out"
}

/// One way in which a provider breaks the contract.
public struct ConformanceFinding: Sendable, Hashable, CustomStringConvertible {
    public var check: ConformanceCheck
    /// What the contract asks for.
    public var expected: String
    /// What the provider did.
    public var found: String

    public var description: String { "\(check.rawValue): expected \(expected); found \(found)" }
}
