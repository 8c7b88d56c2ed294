import CPQ

extension PostgreSQLError {
    /// What the server says of a statement.
    init(_ result: OpaquePointer) {
        let sqlState = Self.field("C", of: result)
        let primary = Self.field("M", of: result) ?? "The server refused a statement."
        self.init(
            sqlState.map { Self.kind(of: $0, primary: primary) } ?? .other,
            sqlState: sqlState,
            message: sqlState.map { Self.repeatsValues($0) } ?? true ? "The server refused a value." : primary,
            constraint: Self.field("n", of: result)
        )
    }

    /// Why a connection could not be opened. libpq gives no more than a text: a line for each address of the host, and lines that explain
    /// them. The connection is verbose, so that the server's code is in it:
    /// `connection to server at "db" (192.0.2.1), port 5432 failed: FATAL:  28P01: password authentication failed for user "gateway"`.
    init(opening text: String) {
        let lines = text.split(separator: "\n")
        let line = String(
            lines.last { $0.contains(" failed: ") || $0.contains("FATAL:") } ?? lines.first ?? "No reason is known."
        )
        // Behind the names of hosts and files.
        let reason = line.firstRange(of: " failed: ").map { String(line[$0.upperBound...]) } ?? line
        let words = reason.split(separator: " ")
        let code = words.first == "FATAL:" && words.count > 1 ? words[1] : ""
        let sqlState = code.utf8.count == 6 && code.hasSuffix(":") ? String(code.dropLast()) : nil
        self.init(
            sqlState.map { Self.kind(of: $0, primary: reason) } ?? Self.kind(ofOpening: reason),
            sqlState: sqlState,
            message: line
        )
    }

    /// For failures that libpq itself finds, in its English.
    private static func kind(ofOpening reason: String) -> Kind {
        func has(_ words: String...) -> Bool { words.contains { reason.contains($0) } }
        if reason.hasPrefix("could not translate host name") { return .connectionLost }
        if has("SYSCALL", "closed the connection", "closed unexpectedly") { return .connectionLost }
        if has("certificate", "SSL", "password", "authentication", "SCRAM", "private key") { return .authentication }
        return has("invalid", "could not match") ? .configuration : .connectionLost
    }

    private static func kind(of sqlState: String, primary: String) -> Kind {
        switch sqlState {
        case "40001": .serialization
        case "40P01": .deadlock
        case "53100": .diskFull
        case "53300": .tooManyConnections
        case "25006": .readOnly
        case "23505": .uniqueViolation
        case "3D000": .noSuchDatabase
        case "55P03": .lockTimeout
        case "57014": .cancelledByServer
        case "26000": .statementChanged
        // The only way to tell it from other features that are not supported.
        case "0A000" where primary.contains("cached plan"): .statementChanged
        case "25P03", "57P01", "57P02", "57P03", "57P05": .connectionLost
        default:
            switch sqlState.prefix(2) {
            case "08": .connectionLost
            case "23": .constraintViolation
            case "28": .authentication
            default: .other
            }
        }
    }

    /// Classes of codes whose primary line can repeat a value: data exceptions, and what functions raise themselves.
    private static func repeatsValues(_ sqlState: String) -> Bool {
        ["21", "22", "2F", "38", "39", "P0", "F0", "HV"].contains(sqlState.prefix(2))
    }

    private static func field(_ code: Unicode.Scalar, of result: OpaquePointer) -> String? {
        PQresultErrorField(result, CInt(code.value)).map { String(cString: $0) }
    }

    static func lost(_ reason: String, mayHaveTakenEffect: Bool = false) -> PostgreSQLError {
        PostgreSQLError(.connectionLost, message: reason, mayHaveTakenEffect: mayHaveTakenEffect)
    }
}
