import Testing

@testable import GatewayServer

@Suite struct ProcessorsTests {
    @Test(arguments: [
        ("0", 1), ("0-3", 4), ("0-1,4,6-7", 5), ("127", 1),
    ])
    func allowedProcessorsAreCounted(list: String, count: Int) {
        #expect(
            Processors.allowed(inStatus: "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t\(list)\nMems:\t1\n")
                == count
        )
    }

    @Test(arguments: ["", "Cpus_allowed_list:\t\n", "Cpus_allowed_list:\t3-1\n", "Cpus_allowed_list:\ta-b\n"])
    func whatCannotBeReadIsNoLimit(status: String) {
        #expect(Processors.allowed(inStatus: status) == nil)
    }

    @Test func thereIsOneAtLeast() { #expect(Processors.available >= 1) }
}
