import Exports
import Synchronization

/// A clock on which everything takes a fraction of its time: a minute of it is over in `60 / speed` seconds.
struct ScaledTime: TimeSource {
    let speed: Int
    private let real = SystemTime()
    private let begun: (now: Timestamp, elapsed: Duration)

    init(speed: Int) {
        self.speed = speed
        begun = (real.now(), real.elapsed())
    }

    func now() -> Timestamp { begun.now + elapsed() }

    func elapsed() -> Duration { (real.elapsed() - begun.elapsed) * speed }

    func sleep(for duration: Duration) async throws { try await real.sleep(for: duration / speed) }

    func deadline(after limit: Duration) async throws { try await real.deadline(after: limit / speed) }
}
