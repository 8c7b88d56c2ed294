import Exports
import JSON
import MicrosoftSandbox
import Testing

@testable import GatewayServer

/// No provider is left out where each is tried: in the demo and in these tests.
@Suite struct SampleTests {
    private let providers = Set(Adapter.all.map(\.descriptor.id.rawValue))

    @Test func theDemoHasOneOfEachProvider() {
        #expect(SandboxSample.all.count == providers.count)
        #expect(Set(SandboxSample.all.map(\.provider)) == providers)
        #expect(Set(SandboxSample.all.compactMap { $0.body["provider"]?.string }) == providers)
        #expect(Set(SandboxSample.all.map(\.connection)).count == providers.count)
    }

    @Test func thereIsABodyForEachProvider() {
        #expect(Set(Bodies.all.compactMap { $0.body["provider"]?.string }) == providers)
    }
}
