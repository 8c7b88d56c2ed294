/// The text of a statement with parameters `$1`, `$2`, … Each connection prepares it once, when it is first used there.
///
/// The types of parameters are those that the server infers from the text: write `$1::text[]` where it could not.
public struct SQLStatement: Sendable, Hashable, ExpressibleByStringLiteral {
    /// One statement of SQL, without a semicolon at the end.
    public let text: String

    /// Names a statement. Texts must not be made of values: each text takes a place among the ``limit`` that a connection keeps.
    public init(_ text: String) { self.text = text }

    public init(stringLiteral text: String) { self.text = text }

    /// How many prepared statements a connection keeps. The one that was not used for longest is evicted.
    public static let limit = 256

    /// The statement with the values of its parameters.
    public func callAsFunction(_ values: SQLValue...) -> SQLQuery { SQLQuery(self, values) }
}

/// The value of a parameter.
public enum SQLValue: Sendable, Hashable {
    case null
    case integer(Int64)
    /// Valid Unicode without U+0000, which PostgreSQL cannot store in a text: a query with one throws ``PostgreSQLError``.
    case text(String)
    /// For parameters of type `bytea`.
    case bytes([UInt8])
    case boolean(Bool)
    /// For parameters of type `text[]`.
    case textArray([String])
    /// For parameters of type `bigint[]` and other integers'.
    case integerArray([Int64])

    /// The text, or null.
    public static func text(_ text: String?) -> SQLValue { text.map { .text($0) } ?? .null }
    /// The number, or null.
    public static func integer(_ number: Int64?) -> SQLValue { number.map { .integer($0) } ?? .null }
    /// The bytes, or null.
    public static func bytes(_ bytes: [UInt8]?) -> SQLValue { bytes.map { .bytes($0) } ?? .null }
}

extension SQLValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByNilLiteral
{
    public init(stringLiteral text: String) { self = .text(text) }
    public init(integerLiteral number: Int64) { self = .integer(number) }
    public init(booleanLiteral value: Bool) { self = .boolean(value) }
    public init(nilLiteral: ()) { self = .null }
}

/// A statement and the values of its parameters.
public struct SQLQuery: Sendable, Hashable {
    public var statement: SQLStatement
    public var values: [SQLValue]

    /// Makes a query. `values` are those of `$1`, `$2` and so on.
    public init(_ statement: SQLStatement, _ values: [SQLValue] = []) {
        (self.statement, self.values) = (statement, values)
    }

    /// Begins a transaction with PostgreSQL's default level, read committed.
    public static let begin = SQLQuery("BEGIN")
    /// Commits. Where the transaction had failed before, so that the server rolls it back, the query throws.
    public static let commit = SQLQuery("COMMIT")
    public static let rollback = SQLQuery("ROLLBACK")
}
