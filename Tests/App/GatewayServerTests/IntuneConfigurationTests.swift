import Exports
import Testing

@testable import GatewayServer

/// The keys of Intune connections.
@Suite struct IntuneConfigurationTests {
    @Test func usersHaveASmallerBudgetWhereThatIsDocumented() throws {
        let credential = "{ type: clientSecret, \(registration), clientSecret: env:S }"
        func budget(_ credential: String, _ more: String = "") throws -> Int? {
            try connection(credential, more, provider: "intune", variables: ["S": "x"]).budget?.count
        }
        #expect(try budget(credential) == 48)
        #expect(try budget("{ type: passThrough }") == 8)
        #expect(try budget("{ type: clientSecret, \(registration), clientSecret: env:S, onBehalfOf: true }") == 8)
        #expect(try budget("{ type: passThrough }", "requestsPerMinute: 20") == 20)
        #expect(try budget("{ type: passThrough }", "requestsPerMinute: 0") == nil)
    }

    @Test(arguments: ["stuckAfter: 0s", "maximumJobs: 0", "maximumJobs: 21", "keyForm: dots", "countPolls: maybe"])
    func whatIntuneDoesNotTake(line: String) {
        let error = #expect(throws: StartupError.self) {
            try connection("{ type: passThrough }", line, provider: "intune")
        }
        #expect(error?.key == "connections[0]." + line.prefix { $0 != ":" })
    }
}
