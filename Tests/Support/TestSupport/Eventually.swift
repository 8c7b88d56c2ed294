/// Returns once `condition` holds, or throws `CancellationError`.
///
/// It looks once in a millisecond, and sleeps in between: only for what nobody is told of when it comes about.
public func eventually(_ condition: () async throws -> Bool) async throws {
    while try await !condition() { try await Task.sleep(for: .milliseconds(1)) }
}
