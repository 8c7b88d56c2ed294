import Exports
import Testing

@testable import Audit

@Suite struct DenialWindowTests {
    private func denial(_ caller: String?, _ address: String = "192.0.2.1") -> AuditDenial {
        AuditDenial(
            origin: AuditOrigin(caller: caller, address: address),
            code: caller == nil ? .unauthenticated : .forbidden,
            request: "GET /exports",
            exportID: nil
        )
    }

    @Test func theFirstOfEachCallerAreTakenAndTheOthersAreCounted() {
        var window = DenialWindow()
        let taken = (0..<50).map { _ in window.takes(denial("alice"), at: .seconds(1)) }
        #expect(taken == Array(repeating: true, count: 10) + Array(repeating: false, count: 40))
        // A caller is the same at every address; without one, the address is the caller.
        let others = [denial("bob"), denial("alice", "192.0.2.9")].map { window.takes($0, at: .seconds(2)) }
        #expect(others == [true, false])
        for _ in 0..<12 { _ = window.takes(denial(nil, "192.0.2.9"), at: .seconds(3)) }
        let early = window.close(at: .seconds(60))
        #expect(early == [])
        let leftOut = window.close(at: .seconds(61))
        #expect(
            leftOut == [
                .init(caller: nil, address: "192.0.2.9", count: 2), .init(caller: "alice", address: nil, count: 41),
            ]
        )
        let isTaken = window.takes(denial("alice"), at: .seconds(61))
        let rest = window.close(at: .seconds(62), inAnyCase: true)
        #expect(isTaken && rest == [])
    }

    @Test func callersBeyondTheLimitCountAsOne() {
        var window = DenialWindow()
        let taken = (0..<10_000).count { window.takes(denial("caller \($0)"), at: .zero) }
        #expect(taken == 110)
        let leftOut = window.close(at: .seconds(60))
        #expect(leftOut == [.init(caller: nil, address: nil, count: 9_890)])
    }
}
