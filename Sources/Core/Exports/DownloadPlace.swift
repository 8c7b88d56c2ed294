import Synchronization

/// A place among the downloads that one caller may have at a time. It is given back once: when it is not needed any more, or with
/// the last reference.
public final class DownloadPlace: Sendable {
    private let whenGivenBack: @Sendable () -> Void
    private let isGivenBack = Mutex(false)

    /// Makes a place. `whenGivenBack` is called once, on any thread, and must not block it.
    public init(whenGivenBack: @escaping @Sendable () -> Void = {}) {
        self.whenGivenBack = whenGivenBack
    }

    deinit { giveBack() }

    /// Gives the place back.
    public func giveBack() {
        let isFirst = isGivenBack.withLock { isGivenBack in
            defer { isGivenBack = true }
            return !isGivenBack
        }
        if isFirst { whenGivenBack() }
    }
}
