import Exports

/// How a file is opened, and opened again when the upstream breaks off: how often, after which pause, within which time.
struct ReopeningRules: Sendable {
    let limits: Resumption.Limits
    let firstByte: FirstByteTimeout
    let time: any TimeSource
    let random: Randomness

    /// Waits before the file is opened again: half of `wait` up to all of it, so that downloads that broke off together do not
    /// come back at the same time. Throws when the task is cancelled.
    func pause(_ wait: Duration) async throws {
        try await time.sleep(for: wait * (0.5 + random.jitter() / 2))
    }
}
