public import JSON

/// The id of a provider, as in `provider` of an export: `power-bi`.
public struct ProviderID: Hashable, Sendable, Codable, CustomStringConvertible {
    public let rawValue: String

    /// Takes an id as it is written.
    public init(_ rawValue: String) {
        self.rawValue = rawValue
    }

    public init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }

    public var description: String { rawValue }
}

/// The most calls in a time, over all exports of a connection.
public struct RequestBudget: Sendable, Hashable {
    public var count: Int
    public var per: Duration

    /// Makes a budget of `count` calls in each `per`.
    public init(_ count: Int, per: Duration) {
        self.count = count
        self.per = per
    }
}

/// What an adapter can do. The engine uses it, `GET /providers` serves it, and the conformance suite proves it: what is declared
/// works, and what is not declared is refused without a network call.
public struct ProviderCapabilities: Sendable, Hashable {
    /// A running job can be stopped upstream.
    public var cancel = false
    /// The upstream reports the progress of a job.
    public var progress = false
    /// The upstream can list its jobs.
    public var listing = false
    /// Many exports can be polled with one call.
    public var batchObserve = false
    /// A job can be found again by the marker it was started with.
    public var reconcile = false
    /// The upstream serves parts of a file, at least from some of its hosts. So ranges are requested.
    public var rangeDownload = false
    /// An export can have more than one file.
    public var multipleFiles = false
    /// A second run of the same export does no harm: an unconfirmed start is repeated, unless the connection's
    /// `ambiguousStart` says `hold`.
    public var resubmitIsHarmless = false
    /// The caller's own upstream token is needed: the upstream API has no application permissions.
    public var delegatedOnly = false
    /// The shortest wait between two polls of one export, unless the upstream asks for another.
    public var minimumPollInterval: Duration
    /// The calls that the upstream allows in a time, where that is documented.
    public var requestBudget: RequestBudget?
    /// How long files are kept, where that is documented.
    public var downloadLifetime: Duration?
    /// The formats that can be requested; empty where there is no choice.
    public var formats: [String] = []

    /// A record in which nothing is declared.
    public init(minimumPollInterval: Duration) {
        self.minimumPollInterval = minimumPollInterval
    }
}

/// What is known of a provider before any call, as `GET /providers` serves it.
public struct ProviderDescriptor: Sendable {
    public var id: ProviderID
    /// The product's name.
    public var title: String
    public var description: String
    /// The member of a create body that holds this provider's options: `powerBI`.
    public var optionsMember: String
    /// JSON Schema (2020-12) of the options.
    public var optionsSchema: JSONValue
    public var capabilities: ProviderCapabilities
    /// The day (`2025-12-31`) on which Microsoft retired the product, and what that means.
    public var retirement: ProviderRetirement?

    /// Describes a provider.
    public init(
        id: ProviderID,
        title: String,
        description: String,
        optionsMember: String,
        optionsSchema: JSONValue,
        capabilities: ProviderCapabilities,
        retirement: ProviderRetirement? = nil
    ) {
        self.id = id
        self.title = title
        self.description = description
        self.optionsMember = optionsMember
        self.optionsSchema = optionsSchema
        self.capabilities = capabilities
        self.retirement = retirement
    }
}

/// The retirement of a product.
public struct ProviderRetirement: Sendable, Hashable, Codable {
    /// The last day, `2025-12-31`.
    public var retiredOn: String
    public var detail: String

    /// Says when a product ended and what that means for exports.
    public init(retiredOn: String, detail: String) {
        self.retiredOn = retiredOn
        self.detail = detail
    }
}
