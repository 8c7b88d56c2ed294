public import Exports
import UpstreamHTTP

/// From a job to the bytes of its file: the link in the job as it is now, and a call to storage without a token.
extension IntuneProvider {
    /// Asks for the job, and opens the link in it. A link that is refused is asked for once more: Intune may sign a new one.
    public func open(
        _ file: ExportFile,
        of reference: UpstreamReference,
        range: FileRange?,
        context: CallContext
    ) async throws(ProviderError) -> FileBody {
        let first = try await link(of: reference, context: context)
        if case .body(let body) = try await fetch(first, file, range: range, context: context) { return body }
        let second = try await link(of: reference, context: context)
        switch try await fetch(second, file, range: range, context: context) {
        case .body(let body): return body
        case .refused(let error): throw error
        }
    }

    /// What came of opening a link.
    private enum Fetched {
        case body(FileBody)
        /// 403: another link may do.
        case refused(ProviderError)
    }

    private func link(
        of reference: UpstreamReference,
        context: CallContext
    ) async throws(ProviderError) -> UpstreamURL {
        let (job, response) = try await job(reference, context: context)
        guard observation(of: job, reference, response).status != .expired else {
            throw IntuneFailure.expired(upstream: response.errorInfo)
        }
        guard let url = job.url else {
            throw ProviderError(
                .transient,
                "Intune does not give the link to the file at the moment.",
                retryAfter: response.retryAfter ?? RetryAfter.fallback,
                upstream: response.errorInfo
            )
        }
        do throws(LinkFault) {
            return try UpstreamURL(link: url.reveal(), from: nil)
        } catch {
            throw .badLink("Intune's link to the file", response, error)
        }
    }

    /// Storage refuses links that come with a token, and it is shown none (`Upstream-Intune, Download`).
    private func fetch(
        _ link: UpstreamURL,
        _ file: ExportFile,
        range: FileRange?,
        context: CallContext
    ) async throws(ProviderError) -> Fetched {
        guard settings.blobHosts.contains(where: { $0.matches(link) }) else {
            throw ProviderError(
                .permanent,
                "The link to the file leads to \(link.host), which is not one of the connection's blobHosts."
            )
        }
        var request = UpstreamRequest("intune.download", .get, link)
        // The budget is for calls to Graph.
        request.isPaced = false
        request.isSignedLink = true
        request.refusal = { Self.webPage($0, at: link) }
        let download = try await client.download(
            request,
            range: range,
            expectedLength: file.size,
            redirects: settings.blobHosts,
            context: context
        )
        guard download.isFile else {
            let response = await download.collected()
            let error = IntuneFailure.error(response, during: .storage)
            guard response.status == 403 else { throw error }
            return .refused(
                LinkExpiry.hasExpired(link, according: response)
                    ? IntuneFailure.expired(upstream: error.upstream) : error
            )
        }
        return .body(
            FileBody(head: download.fileHead(requestID: download.headers.requestID), bytes: download.bytes)
        )
    }

    /// A web page in place of the file.
    private static func webPage(_ headers: UpstreamHeaders, at url: UpstreamURL) -> ProviderError? {
        guard headers.isWebPage else { return nil }
        return .webPage(from: url.host, upstream: UpstreamErrorInfo(status: 200, requestId: headers.requestID))
    }
}
