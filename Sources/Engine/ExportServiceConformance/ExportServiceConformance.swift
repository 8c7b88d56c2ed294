import Exports
import Synchronization

/// The conformance suite that every `ExportService` must pass: the engine, and what stands in for it in tests of the API.
///
///     let findings = await ExportServiceConformance(harness).run()
///     #expect(findings == [])
public struct ExportServiceConformance: Sendable {
    private let harness: ExportServiceHarness

    /// Makes the suite for one kind of service.
    public init(_ harness: ExportServiceHarness) {
        self.harness = harness
    }

    static let cases: [ServiceCase] =
        ServiceCase.creations + ServiceCase.visibility + ServiceCase.lists + ServiceCase.waits + ServiceCase.ends
        + ServiceCase.deliveries + ServiceCase.changes

    /// The names of the cases.
    public var names: [String] { Self.cases.map(\.name) }

    /// Runs every case on a service of its own, one after the other, and returns all findings. No finding means that the service
    /// keeps its contract. With a `name`, only the case with this name is run; an unknown name is a finding.
    public func run(only name: String? = nil) async -> [ServiceFinding] {
        var findings: [ServiceFinding] = []
        let chosen = Self.cases.filter { $0.name == name ?? $0.name }
        if let name, chosen.isEmpty { return [ServiceFinding(name: name, expected: "there is a case of this name")] }
        for one in chosen {
            let found = Mutex<[String]>([])
            do {
                try await harness.withService { examined in
                    let examination = ServiceExamination(examined) { text in found.withLock { $0.append(text) } }
                    try await one.examine(examination)
                }
            } catch {
                found.withLock { $0.append("the case can be carried out, but: \(error)") }
            }
            findings += found.withLock { $0 }.map { ServiceFinding(name: one.name, expected: $0) }
        }
        return findings
    }
}

/// One case of the suite.
struct ServiceCase: Sendable {
    var name: String
    var examine: @Sendable (ServiceExamination) async throws -> Void

    init(_ name: String, _ examine: @escaping @Sendable (ServiceExamination) async throws -> Void) {
        self.name = name
        self.examine = examine
    }
}
