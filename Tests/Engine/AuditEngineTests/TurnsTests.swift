import Synchronization
import Testing

@testable import AuditEngine

@Suite(.timeLimit(.minutes(1))) struct TurnsTests {
    @Test func oneTaskHasItsTurnAtATime() async {
        let (turns, inside) = (Turns(), Inside())
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    await turns.take()
                    let count = inside.change(by: 1)
                    #expect(count == 1)
                    await Task.yield()
                    inside.change(by: -1)
                    turns.pass()
                }
            }
            await group.waitForAll()
        }
    }

    /// How many tasks have their turn.
    private final class Inside: Sendable {
        private let count = Mutex(0)

        @discardableResult
        func change(by difference: Int) -> Int {
            count.withLock { count in
                count += difference
                return count
            }
        }
    }
}
