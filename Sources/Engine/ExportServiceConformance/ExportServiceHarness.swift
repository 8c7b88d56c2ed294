public import Exports

/// What the suite needs to examine an implementation of `ExportService`.
public struct ExportServiceHarness: Sendable {
    /// Calls the closure with a service that works and has no exports, and ends the service afterwards. Each case gets its own.
    public var withService: @Sendable (_ examine: @escaping Examine) async throws -> Void

    /// Examines a service.
    public typealias Examine = @Sendable (ExaminedService) async throws -> Void

    /// Makes a harness.
    public init(withService: @escaping @Sendable (_ examine: @escaping Examine) async throws -> Void) {
        self.withService = withService
    }
}

/// A service that is examined, and its upstream.
public struct ExaminedService: Sendable {
    /// How a job ends.
    public enum JobEnd: Sendable, Hashable {
        /// With files, whose ids are the numbers from 1 on.
        case succeeded(files: Int)
        case failed
    }

    public var service: any ExportService
    /// A draft that the service accepts, without a key.
    public var draft: ExportDraft
    /// Lets the job of an export end. Returns when the service has stored that.
    public var end: @Sendable (ExportID, JobEnd) async throws -> Void

    /// Describes a service.
    public init(
        service: any ExportService,
        draft: ExportDraft,
        end: @escaping @Sendable (ExportID, JobEnd) async throws -> Void
    ) {
        self.service = service
        self.draft = draft
        self.end = end
    }
}

/// One way in which a service breaks the contract.
public struct ServiceFinding: Sendable, Hashable, CustomStringConvertible {
    /// The name of the case.
    public var name: String
    /// What the contract requires and the service did not do.
    public var expected: String

    public var description: String { "\(name): expected that \(expected)" }
}
