import NIOCore
import NIOPosix
import Testing

@testable import HTTPListening

@Suite struct EventLoopTaskExecutorTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.any()

    @Test func codeRunsOnTheLoopBeforeAndAfterItWaits() async {
        let places = await withTaskExecutorPreference(EventLoopTaskExecutor(loop)) {
            let before = loop.inEventLoop
            await Task.yield()
            let after = loop.inEventLoop
            async let child = loop.inEventLoop
            return await [before, after, child]
        }
        #expect(places == [true, true, true])
    }

    @Test func whatLeavesTheLoopComesBack() async {
        let places = await withTaskExecutorPreference(EventLoopTaskExecutor(loop)) {
            let away = await withTaskExecutorPreference(globalConcurrentExecutor) { loop.inEventLoop }
            return [away, loop.inEventLoop]
        }
        #expect(places == [false, true])
    }
}
