/// What several adapters do alike.
extension ExportProvider {
    /// Observes exports with a call for each, one after the other. One that stands twice is asked for once.
    public func observeOneByOne(
        _ references: [UpstreamReference],
        _ observe: (UpstreamReference) async throws(ProviderError) -> Observation
    ) async -> [UpstreamReference: Result<Observation, ProviderError>] {
        var observations: [UpstreamReference: Result<Observation, ProviderError>] = [:]
        for reference in references where observations[reference] == nil {
            do throws(ProviderError) {
                observations[reference] = .success(try await observe(reference))
            } catch {
                observations[reference] = .failure(error)
            }
        }
        return observations
    }

    /// Checks an id that was given for a job, where the upstream's ids are opaque and sent back as one step of a path. Throws
    /// `invalid` that says what the id must be.
    public func checkOpaqueID(_ id: String, mustBe: String) throws(ProviderError) {
        guard (1...512).contains(id.utf8.count), id.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .invalid([FieldFault("/upstreamId", "must be \(mustBe)")])
        }
    }
}
