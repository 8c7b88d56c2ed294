/// One thing that is wrong with a request: where, and what to do about it.
public struct FieldFault: Sendable, Hashable, Codable {
    /// What is wrong and how to fix it. Never repeats a secret.
    public var detail: String

    /// A JSON Pointer (RFC 6901) into the request body, such as `/powerBI/format`.
    public var pointer: String

    /// Makes a fault at a pointer.
    public init(_ pointer: String, _ detail: String) {
        self.pointer = pointer
        self.detail = detail
    }

    /// The same fault, seen from a document in which this one stands below `prefix`.
    public func below(_ prefix: String) -> FieldFault { FieldFault(prefix + pointer, detail) }
}
