/// A token, a key or a SAS query. It can be compared and sent, but is never printed.
public struct Secret: Sendable, Hashable {
    private let value: String

    /// Wraps a secret text.
    public init(_ value: String) {
        self.value = value
    }

    /// The secret itself. Review each use: it may be put into a request, but never into a log, a problem document, a metric or, unless
    /// it is sealed, the ledger.
    public func reveal() -> String { value }

    /// Whether there is nothing in it.
    public var isEmpty: Bool { value.isEmpty }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// A key as bytes. It is never printed.
public struct SecretBytes: Sendable, Hashable {
    private let bytes: [UInt8]

    /// Wraps a key.
    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The bytes themselves, for a computation. Never for a log, a problem document or a metric.
    public func reveal() -> [UInt8] { bytes }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
