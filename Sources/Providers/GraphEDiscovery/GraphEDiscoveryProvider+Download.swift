import Exports
import Foundation
import UpstreamHTTP

/// From a file's name to its bytes: a link that is minted for this download, and what its host wants to be shown.
extension GraphEDiscoveryProvider {
    /// A download link: never stored.
    struct FileLink {
        var url: UpstreamURL
        /// The size that the export's record has; where it has none, the one that the operation tells.
        var size: Int64?
        var name: String
    }

    func link(
        to file: ExportFile,
        of reference: UpstreamReference,
        context: CallContext
    ) async throws(ProviderError) -> FileLink {
        switch settings.dialect {
        case .security: try await listedLink(to: file, of: reference, context: context)
        case .ediscovery: try await functionLink(to: file, of: reference, context: context)
        }
    }

    /// The link in a copy of the operation that was read for another of its files a moment ago.
    func recentLink(to file: ExportFile, of reference: UpstreamReference, context: CallContext) -> FileLink? {
        guard let operation = recent.operation(reference, context.authorization, at: client.now),
            let metadata = operation.metadata(of: file), let link = metadata.downloadURL,
            let url = try? UpstreamURL(link: link.reveal(), from: nil)
        else { return nil }
        return FileLink(url: url, size: file.size ?? metadata.size, name: file.name)
    }

    /// The link in a fresh copy of the operation (`Upstream-GraphEDiscovery, Files`).
    private func listedLink(
        to file: ExportFile,
        of reference: UpstreamReference,
        context: CallContext
    ) async throws(ProviderError) -> FileLink {
        let (operation, response) = try await operation(reference, context: context)
        recent.keep(operation, of: reference, context.authorization, at: client.now)
        guard let metadata = operation.metadata(of: file) else {
            throw ProviderError(
                .gone,
                "The operation no longer lists the file \"\(file.name.prefix(128))\".",
                upstream: response.errorInfo
            )
        }
        guard let link = metadata.downloadURL else {
            throw GraphEDiscoveryFailure.unreadable(response, "download link")
        }
        let url = try Self.url(link.reveal(), in: response)
        return FileLink(url: url, size: file.size ?? metadata.size, name: file.name)
    }

    /// The link that `getDownloadUrl` gives (`Upstream-GraphEDiscovery, Calls`).
    private func functionLink(
        to file: ExportFile,
        of reference: UpstreamReference,
        context: CallContext
    ) async throws(ProviderError) -> FileLink {
        guard let caseID = reference.caseID else {
            throw ProviderError(.permanent, "The reference to the operation does not name its case.")
        }
        let url = settings.operationsURL(of: caseID)
            .appending(path: [reference.id, "microsoft.graph.ediscovery.caseExportOperation", "getDownloadUrl"])
        var call = graphCall("download-url", .get, url)
        call.bodyLimit = AnswerLimit.link
        let response = try await client.send(call, context: context)
        guard response.status == 200 else { throw GraphEDiscoveryFailure.error(response, in: .link) }
        guard let link = DownloadURLAnswer.link(in: response.json) else {
            throw GraphEDiscoveryFailure.unreadable(response, "download link")
        }
        return FileLink(url: try Self.url(link, in: response), size: file.size, name: file.name)
    }

    private static func url(_ link: String, in response: UpstreamResponse) throws(ProviderError) -> UpstreamURL {
        do throws(LinkFault) {
            return try UpstreamURL(link: link, from: nil)
        } catch {
            throw GraphEDiscoveryFailure.badLink(response, "download link", error)
        }
    }

    /// What came of opening a link.
    enum Fetched {
        case body(FileBody)
        /// 403: the link may have expired between its minting and its use, so that a fresh one is worth a try.
        case refused(ProviderError)
    }

    /// Opens a link. Storage hosts serve parts of a package; of the proxy it is not known
    /// (`Upstream-GraphEDiscovery, Download`), and either answer is taken.
    func fetch(_ link: FileLink, range: FileRange?, context: CallContext) async throws(ProviderError) -> Fetched {
        guard let host = settings.downloadHost(of: link.url) else {
            throw ProviderError(
                .permanent,
                "The download link leads to \(link.url.host), which is not one of the connection's download hosts."
            )
        }
        let download: UpstreamDownload
        do throws(ProviderError) {
            download = try await client.download(
                downloadCall(link, at: host),
                range: range,
                expectedLength: link.size,
                redirects: settings.blobHosts,
                context: context
            )
        } catch  where host == .proxy && error.code == .unauthenticated {
            throw GraphEDiscoveryFailure.explainingDownloadRole(error)
        }
        guard download.isFile else {
            let response = await download.collected()
            let error = GraphEDiscoveryFailure.error(response, in: .download(host))
            guard response.status == 403 else { throw error }
            guard LinkExpiry.hasExpired(link.url, according: response) else { return .refused(error) }
            return .refused(
                ProviderError(
                    .gone,
                    "The download link had expired as soon as it was issued: the file is no longer kept.",
                    upstream: error.upstream
                )
            )
        }
        return .body(
            FileBody(
                head: download.fileHead(requestID: download.headers.requestID),
                bytes: download.bytes
            )
        )
    }

    private func downloadCall(_ link: FileLink, at host: DownloadHost) -> UpstreamRequest {
        var call = UpstreamRequest("graph-ediscovery.download", .get, link.url)
        // The budget (`Upstream-GraphEDiscovery, Limits`) is for calls to Graph; files come from other hosts.
        call.isPaced = false
        call.isSignedLink = true
        call.refusal = { Self.webPage($0, instead: link.name, at: link.url) }
        guard host == .proxy else { return call }
        call.bearer = settings.downloadScope
        call.bearerHeaders = [("X-AllowWithAADToken", "true")]
        // A token that is not accepted is answered with the way to a sign-in page rather than with 401
        // (`Upstream-GraphEDiscovery, Download`).
        call.rejectsToken = { [blobHosts = settings.blobHosts] response in
            if response.status == 401 { return true }
            guard (300...399).contains(response.status), let target = response.headers["location"] else { return false }
            let url = try? UpstreamURL(link: target, from: link.url)
            return !(url.map { url in blobHosts.contains { $0.matches(url) } } ?? false)
        }
        return call
    }

    /// A web page in place of a file: what a redirect-following client would save as a broken zip
    /// (`Upstream-GraphEDiscovery, Download`).
    private static func webPage(
        _ headers: UpstreamHeaders,
        instead name: String,
        at url: UpstreamURL
    ) -> ProviderError? {
        guard headers.isWebPage,
            !name.lowercased().hasSuffix(".html"), !name.lowercased().hasSuffix(".htm")
        else { return nil }
        return .webPage(
            from: url.host,
            code: .unauthenticated,
            upstream: UpstreamErrorInfo(status: 200, requestId: headers.requestID)
        )
    }
}
