import Exports
import Testing

@testable import Audit

@Suite struct DenialWindowTests {
    private func denial(
        _ caller: String?,
        _ address: String = "192.0.2.1",
        _ code: ProblemCode? = nil
    ) -> AuditDenial {
        AuditDenial(
            origin: AuditOrigin(caller: caller, address: address),
            code: code ?? (caller == nil ? .unauthenticated : .forbidden),
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
            leftOut == [.init(address: "192.0.2.9", count: 2), .init(caller: "alice", code: .forbidden, count: 41)]
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
        #expect(leftOut == [.init(code: .forbidden, count: 9_890)])
    }

    @Test func whatAnUpstreamRefusesTakesNoPlaceFromWhatIsRefusedHere() {
        var window = DenialWindow()
        let upstream = (0..<20).count { _ in window.takes(denial("alice", "192.0.2.1", .upstreamForbidden), at: .zero) }
        let own = (0..<20).count { _ in window.takes(denial("alice"), at: .zero) }
        #expect(upstream == 10 && own == 10)
        let leftOut = window.close(at: .seconds(60))
        #expect(
            leftOut == [
                .init(caller: "alice", code: .forbidden, count: 10),
                .init(caller: "alice", code: .upstreamForbidden, count: 10),
            ]
        )
    }

    @Test func addressesTakeNoPlaceFromCallers() {
        var window = DenialWindow()
        let flood = (0..<1_000).count { window.takes(denial(nil, "192.0.\($0 / 250).\($0 % 250)"), at: .zero) }
        #expect(flood == 110)
        let isTaken = window.takes(denial("alice"), at: .zero)
        let leftOut = window.close(at: .seconds(60))
        #expect(isTaken && leftOut == [.init(count: 890)])
    }

    @Test func theAddressesOfANetworkAreOne() {
        var window = DenialWindow()
        let taken = (0..<1_000).count { window.takes(denial(nil, "2001:db8:1:2::\(String($0, radix: 16))"), at: .zero) }
        let other = window.takes(denial(nil, "2001:db8:1:3::1"), at: .zero)
        // An IPv4 address, however a socket shows it.
        let mapped = ["192.0.2.1", "::ffff:192.0.2.1"]
            .flatMap { address in
                (0..<6).map { _ in window.takes(denial(nil, address), at: .zero) }
            }
        #expect(taken == 10 && other && mapped.count { $0 } == 10)
        let leftOut = window.close(at: .seconds(60))
        #expect(
            leftOut == [.init(address: "192.0.2.1", count: 2), .init(address: "2001:db8:1:2::/64", count: 990)]
        )
    }
}
