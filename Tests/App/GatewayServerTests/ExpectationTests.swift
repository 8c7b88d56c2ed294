import Exports
import Testing
import UpstreamHTTP

@testable import GatewayServer

/// What the adapters declare of answers can be compared: the check against a live service relies on it.
@Suite struct ExpectationTests {
    private static func connections() throws -> [ConnectionConfiguration] {
        try Adapter.all.map { try connection("{ type: passThrough }", provider: $0.descriptor.id.rawValue) }
            + [try connection("{ type: passThrough }", "dialect: ediscovery", provider: "graph-ediscovery")]
    }

    @Test func eachKindOfCallIsDeclaredOnceAndIsTheProviders() throws {
        for connection in try Self.connections() {
            let operations = connection.adapter.expectations.map(\.operation)
            #expect(operations.count >= 3)
            #expect(Set(operations).count == operations.count)
            #expect(operations.allSatisfy { $0.hasPrefix("\(connection.provider.rawValue).") })
        }
    }

    @Test func eachStatementIsMadeOnceAndCitesASection() throws {
        for calls in try Self.connections().flatMap(\.adapter.expectations) {
            let claims = calls.expectations.map(\.claim)
            #expect(Set(claims).count == claims.count, "\(calls.operation)")
            #expect(claims.allSatisfy { $0.hasSuffix(".") && !$0.contains("`") })
            for expectation in calls.expectations {
                #expect(expectation.citation.description.wholeMatch(of: #/Upstream-\w+, .+/#) != nil)
            }
        }
    }

    @Test func wordsOfStatesAreOfTheirList() throws {
        for calls in try Self.connections().flatMap(\.adapter.expectations) {
            guard let state = calls.state else { continue }
            #expect(state.done.union(state.failed).isSubset(of: state.words))
            #expect(state.done.isDisjoint(with: state.failed))
        }
    }

    @Test func aStatementOnTheStateHasOneToGoBy() throws {
        for calls in try Self.connections().flatMap(\.adapter.expectations) where calls.state == nil {
            for expectation in calls.expectations {
                switch expectation.subject {
                case .knownState: Issue.record("\(calls.operation) has no state")
                case .member(_, _, let presence), .header(_, _, let presence):
                    #expect(presence != .whenDone && presence != .beforeDone)
                default: break
                }
            }
        }
    }

    @Test func headerFieldsAreInLowerCase() throws {
        for calls in try Self.connections().flatMap(\.adapter.expectations) {
            for case .header(let name, _, _) in calls.expectations.map(\.subject) { #expect(name == name.lowercased()) }
        }
    }

    @Test func aStatusIsExpectedOfEveryCall() throws {
        for calls in try Self.connections().flatMap(\.adapter.expectations) {
            let expectsStatus = calls.expectations.contains { if case .status = $0.subject { true } else { false } }
            #expect(expectsStatus, "\(calls.operation)")
        }
    }
}
