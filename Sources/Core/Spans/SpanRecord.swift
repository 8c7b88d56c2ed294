public import Tracing

/// A span that has ended.
public struct SpanRecord: Sendable {
    /// A point in it.
    public struct Event: Sendable, Equatable {
        public var name: String
        /// Nanoseconds since 1970.
        public var time: UInt64
        public var attributes: [Attribute]
    }

    /// A value with its name. The names are OpenTelemetry's where it has one, and begin with `export_gateway.` otherwise.
    public struct Attribute: Sendable, Equatable {
        public var name: String
        public var value: SpanAttribute
    }

    public var context: TraceContext
    /// The span that it is a part of; nil for the first one of a trace.
    public var parent: SpanID?
    /// Whether another process made the parent.
    public var isParentRemote = false
    public var name: String
    public var kind: SpanKind
    /// Nanoseconds since 1970.
    public var start: UInt64
    /// Nanoseconds since 1970; never before `start`.
    public var end: UInt64
    public var attributes: [Attribute] = []
    public var links: [TraceContext] = []
    public var events: [Event] = []
    /// How what it stands for ended; nil where that is not said.
    public var status: SpanStatus?

    /// Whether what it stands for failed.
    public var hasFailed: Bool { status?.code == .error }

    /// The most attributes and events of a span; what is beyond is left out.
    static let mostAttributes = 32
    static let mostEvents = 32
    /// The most links: a poll for many exports has one to each.
    static let mostLinks = 128
    /// The most bytes of a text; what is beyond is cut off.
    static let longestText = 512

    /// Sets an attribute, or replaces it.
    mutating func set(_ name: String, _ value: SpanAttribute) {
        let attribute = Attribute(name: name, value: Self.short(value))
        if let place = attributes.firstIndex(where: { $0.name == name }) {
            attributes[place] = attribute
        } else if attributes.count < Self.mostAttributes {
            attributes.append(attribute)
        }
    }

    /// Adds a link, once.
    mutating func link(_ context: TraceContext) {
        guard links.count < Self.mostLinks,
            !links.contains(where: { $0.trace == context.trace && $0.span == context.span })
        else { return }
        links.append(context)
    }

    /// A value with a text that is not too long.
    static func short(_ value: SpanAttribute) -> SpanAttribute {
        guard case .string(let text) = value, text.utf8.count > longestText else { return value }
        var end = text.utf8.index(text.startIndex, offsetBy: longestText)
        // Not within a character.
        while end > text.startIndex, String.Index(end, within: text) == nil { end = text.utf8.index(before: end) }
        return .string(String(text[..<end]))
    }
}
