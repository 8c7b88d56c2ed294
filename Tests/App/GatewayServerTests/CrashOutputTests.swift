import Testing

@testable import GatewayServer

@Suite struct CrashOutputTests {
    @Test(
        arguments: [
            (nil, true), ("", true), ("enable=yes", true), ("enable=yes,registers=all", true),
            ("registers=none,registers=all", true),
            ("xregisters=none", true), ("registers=nonesuch", true), ("enable=yes;registers=none", true),
            ("registers=none", false), ("enable=yes,color=no,registers=none,images=none", false),
            ("registers=all,registers=none", false),
        ] as [(String?, Bool)]
    )
    func onlyRegistersNoneHidesThem(settings: String?, shows: Bool) {
        #expect(CrashOutput.showsRegisters(settings) == shows)
    }
}
