import Foundation
import InMemoryLogging
import Logging
import Testing

@testable import GatewayServer

@Suite struct OpenFilesTests {
    @Test func theLimitIsAsHighAsItMayBe() {
        OpenFiles.raiseLimit()
        var now = rlimit()
        #if os(Linux)
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &now)
        #else
        getrlimit(RLIMIT_NOFILE, &now)
        #endif
        #expect(now.rlim_cur == now.rlim_max)
        #expect(OpenFiles.limit == UInt64(now.rlim_cur))
    }

    @Test(arguments: [(2303, 1), (2304, 0)])
    func aLimitThatIsTooLowIsSaid(limit: UInt64, warnings: Int) {
        let logs = InMemoryLogHandler()
        OpenFiles.warn(ofLimit: limit, connections: 1024, Logger(label: "test") { _ in logs })
        #expect(logs.entries.count { $0.level == .warning } == warnings)
    }
}
