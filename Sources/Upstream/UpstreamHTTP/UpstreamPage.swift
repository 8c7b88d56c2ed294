public import Exports
public import JSON
import Logging
import Metrics

/// One page of an OData collection: `value`, and the address of the next page. One reader for all lists.
///
/// An entry that cannot be read is left out and counted. The others are still read.
public struct UpstreamPage<Entry: Sendable>: Sendable {
    public var entries: [Entry]
    /// How many entries could not be read.
    public var unreadable: Int
    /// The address of the next page, unchanged; nil on the last page. An empty address also means the last page.
    public var nextLink: String?

    /// Reads a collection. `entry` returns nil for an entry that cannot be read. Nil when `value` is not a list.
    public init?(_ json: JSONValue?, entry: (JSONValue) -> Entry?) {
        guard let value = json?.member("value")?.array else { return nil }
        entries = value.compactMap(entry)
        unreadable = value.count - entries.count
        // A page of Microsoft's documentation has the name without the @ (`Upstream-Graph, Paging`).
        nextLink = json?.text("@odata.nextLink") ?? json?.text("odata.nextLink") ?? json?.text("nextLink")
    }

    /// The address of the next page, unchanged byte for byte where possible. A relative address is resolved against `url`, the address of
    /// this page. Throws when it leads to another host, or cannot be read.
    public func next(after url: UpstreamURL) throws(LinkFault) -> UpstreamURL? {
        guard let nextLink else { return nil }
        let next = try UpstreamURL(link: nextLink, from: url)
        guard next.origin == url.origin else { throw .otherHost }
        return next
    }
}

/// How the reading of a list ended.
public struct ListReading: Sendable, Hashable {
    public enum End: Sendable, Hashable {
        /// Every page was read.
        case complete
        /// The reader did not want more.
        case stopped
        /// There are more pages than the limit.
        case tooLong
    }

    public var end: End
    /// How many entries could not be read.
    public var unreadable: Int
}

/// Why a page of a list cannot be used. The adapter makes the error message.
public enum PageFault: Sendable {
    /// Not a success.
    case refused
    /// A success that is no list.
    case noList
    /// No further page can be asked for.
    case link(LinkFault)
}

extension UpstreamClient {
    /// Reads a list page by page, until `visit` returns that it is enough: at most `limit` pages, each of at most `AnswerLimit.list`
    /// bytes. Large pages are decoded on other threads than those of Swift's tasks.
    ///
    /// Throws what `send` throws, and the error that `failure` makes of an answer that cannot be used.
    public func readList<Entry: Sendable>(
        _ request: UpstreamRequest,
        pages limit: Int,
        context: CallContext,
        entry: @escaping @Sendable (JSONValue) -> Entry?,
        failure: (UpstreamResponse, PageFault) -> ProviderError,
        visit: (UpstreamPage<Entry>) -> Bool
    ) async throws(ProviderError) -> ListReading {
        var request = request
        request.bodyLimit = AnswerLimit.list
        var unreadable = 0
        for _ in 0..<limit {
            let response = try await send(request, context: context)
            guard (200...299).contains(response.status) else { throw failure(response, .refused) }
            guard let page = try await page(in: response, entry: entry) else { throw failure(response, .noList) }
            unreadable += page.unreadable
            note(page.unreadable, in: request)
            guard visit(page) else { return ListReading(end: .stopped, unreadable: unreadable) }
            do throws(LinkFault) {
                guard let next = try page.next(after: request.url) else {
                    return ListReading(end: .complete, unreadable: unreadable)
                }
                request.url = next
            } catch {
                throw failure(response, .link(error))
            }
        }
        return ListReading(end: .tooLong, unreadable: unreadable)
    }

    private func page<Entry: Sendable>(
        in response: UpstreamResponse,
        entry: @escaping @Sendable (JSONValue) -> Entry?
    ) async throws(ProviderError) -> UpstreamPage<Entry>? {
        let json = response.json
        do {
            return try await transport.heavyWork.run(on: response.body.count) { UpstreamPage(json, entry: entry) }
        } catch {
            throw ProviderError(.transient, "The call was cancelled.", cause: error)
        }
    }

    private func note(_ unreadable: Int, in request: UpstreamRequest) {
        guard unreadable > 0 else { return }
        Counter(
            label: "export_gateway_upstream_entries_unreadable_total",
            dimensions: [("connection", settings.connection), ("operation", request.operation)],
            factory: metrics
        )
        .increment(by: unreadable)
        logger.warning(
            "Entries of a list cannot be read and were left out",
            metadata: ["operation": .string(request.operation), "entries": .stringConvertible(unreadable)]
        )
    }
}
