import Exports
import JSON
import Webhooks

/// The bodies of requests about webhooks. Each function throws `malformedRequest` for what is not JSON, and `invalidWebhook` with every
/// fault.
enum WebhookBody {
    /// The longest URL, and the longest label, in characters.
    static let (longestURL, longestLabel) = (2048, 256)

    /// The body of `POST /webhooks`.
    static func draft(_ bytes: [UInt8], _ providers: [ConfiguredProvider]) throws(GatewayError) -> WebhookDraft {
        var reader = ObjectReader(try JSONParser.document(bytes))
        let url = reader.requiredString("url", length: 1...longestURL)
        let label = label(&reader)
        let types = types(&reader)
        let provider = reader.choice("provider", among: providers.map(\.descriptor.id.rawValue))
        let connection = reader.string("connection", length: 1...64)
        try finish(&reader)
        return WebhookDraft(
            url: url ?? "",
            label: label,
            types: types ?? WebhookEventType.ofExports,
            provider: provider.map { ProviderID($0) },
            connection: connection
        )
    }

    /// The body of `PATCH /webhooks/{webhookId}`, a JSON merge patch (RFC 7396): null removes what may be absent.
    static func patch(_ bytes: [UInt8], _ providers: [ConfiguredProvider]) throws(GatewayError) -> WebhookPatch {
        let document = try JSONParser.document(bytes)
        let removable = ["label", "types", "provider", "connection"]
        let removed = Set(removable.filter { document[$0] == .null })
        // Those that are removed are read as absent.
        let rest = document.object.map { JSONValue.object($0.filter { !removed.contains($0.key) }) } ?? document
        var reader = ObjectReader(rest)
        var patch = WebhookPatch()
        patch.url = reader.string("url", length: 1...longestURL)
        let label = label(&reader)
        patch.label = label == nil ? nil : .some(label)
        patch.types = types(&reader)
        let provider = reader.choice("provider", among: providers.map(\.descriptor.id.rawValue))
        patch.provider = provider.map { .some(ProviderID($0)) }
        let connection = reader.string("connection", length: 1...64)
        patch.connection = connection == nil ? nil : .some(connection)
        let state = reader.choice("state", among: [Webhook.State.enabled.rawValue, Webhook.State.disabled.rawValue])
        patch.isEnabled = state.map { $0 == Webhook.State.enabled.rawValue }
        try finish(&reader)
        if removed.contains("label") { patch.label = .some(nil) }
        if removed.contains("types") { patch.types = WebhookEventType.ofExports }
        if removed.contains("provider") { patch.provider = .some(nil) }
        if removed.contains("connection") { patch.connection = .some(nil) }
        return patch
    }

    /// The body of `POST /webhooks/{webhookId}/replay`.
    static func since(_ bytes: [UInt8]) throws(GatewayError) -> Timestamp {
        var reader = ObjectReader(try JSONParser.document(bytes))
        let text = reader.requiredString("since", length: 1...40)
        let since = text.flatMap { Timestamp(rfc3339: $0) }
        if text != nil, since == nil {
            reader.fault("since", "must be a date and time such as 2026-07-01T00:00:00Z")
        }
        try finish(&reader)
        return since ?? Timestamp(milliseconds: 0)
    }

    /// A label is one line.
    private static func label(_ reader: inout ObjectReader) -> String? {
        guard let label = reader.string("label", length: 1...longestLabel) else { return nil }
        guard !label.unicodeScalars.contains(where: \.isControl) else {
            reader.fault("label", "must not hold control characters")
            return nil
        }
        return label
    }

    private static func types(_ reader: inout ObjectReader) -> Set<WebhookEventType>? {
        let known = WebhookEventType.ofExports
        guard let elements = reader.array("types", count: 1...known.count) else { return nil }
        let names = known.map(\.rawValue).sorted()
        var types: Set<WebhookEventType> = []
        for (value, pointer) in elements {
            if let type = value.string.flatMap({ WebhookEventType(rawValue: $0) }), known.contains(type) {
                types.insert(type)
            } else {
                let suggestion = value.string.map { ObjectReader.suggestion(for: $0, among: names) } ?? ""
                reader.adopt([FieldFault(pointer, "must be one of \(names.joined(separator: ", "))" + suggestion)])
            }
        }
        return types
    }

    private static func finish(_ reader: inout ObjectReader) throws(GatewayError) {
        reader.finish()
        guard reader.faults.isEmpty else {
            throw GatewayError(.invalidWebhook, "The body is not valid: see errors.", faults: reader.faults)
        }
    }
}
