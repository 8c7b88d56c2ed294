/// A token, a key or a SAS query: it can be used, compared by its owner and sent, but never prints itself.
public struct Secret: Sendable, Hashable {
    private let value: String

    /// Wraps a secret text.
    public init(_ value: String) {
        self.value = value
    }

    /// The secret itself. Every call is a place to review: it may go into a request, never into a log, a problem,
    /// a metric or, unless sealed, the ledger.
    public func reveal() -> String { value }

    /// Whether there is nothing in it.
    public var isEmpty: Bool { value.isEmpty }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// A key as bytes, which never prints itself.
public struct SecretBytes: Sendable, Hashable {
    private let bytes: [UInt8]

    /// Wraps a key.
    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The bytes themselves: for a computation, never for a log, a problem or a metric.
    public func reveal() -> [UInt8] { bytes }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
