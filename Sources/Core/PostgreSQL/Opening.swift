import CPQ

/// Opening a connection to one host.
enum Opening {
    /// Returns a connection in pipeline mode that does not block.
    static func open(
        _ options: [(keyword: String, value: String)],
        until deadline: ContinuousClock.Instant,
        interrupter: Interrupter?
    ) throws(PostgreSQLError) -> OpaquePointer {
        guard let handle = start(options) else {
            throw PostgreSQLError(.other, message: "There is no memory for a connection.")
        }
        do throws(PostgreSQLError) {
            guard PQstatus(handle) != CONNECTION_BAD else { throw error(of: handle) }
            CPQ_ignore_notices(handle)
            // Puts the code of an error into the text.
            PQsetErrorVerbosity(handle, PQERRORS_VERBOSE)
            try finish(handle, until: deadline, interrupter: interrupter)
            guard PQsetnonblocking(handle, 1) == 0, PQenterPipelineMode(handle) == 1 else { throw error(of: handle) }
            return handle
        } catch {
            PQfinish(handle)
            throw error
        }
    }

    private static func start(_ options: [(keyword: String, value: String)]) -> OpaquePointer? {
        var keywords = options.map { strdup($0.keyword).map { UnsafePointer($0) } } + [nil]
        var values = options.map { strdup($0.value).map { UnsafePointer($0) } } + [nil]
        defer { for text in keywords + values { free(UnsafeMutableRawPointer(mutating: text)) } }
        return PQconnectStartParams(&keywords, &values, 0)
    }

    private static func finish(
        _ handle: OpaquePointer,
        until deadline: ContinuousClock.Instant,
        interrupter: Interrupter?
    ) throws(PostgreSQLError) {
        // As if PQconnectPoll had asked to write.
        var interest = Descriptors.Interest.writing
        while true {
            switch Descriptors.wait(for: PQsocket(handle), interest, or: interrupter, until: deadline) {
            case .ready: break
            case .interrupted: throw PostgreSQLError(.closed, message: "The opening of a connection was interrupted.")
            case .timedOut: throw PostgreSQLError(.timeout, message: "The server did not open a connection in time.")
            }
            switch PQconnectPoll(handle) {
            case PGRES_POLLING_OK: return
            case PGRES_POLLING_READING: interest = .reading
            case PGRES_POLLING_WRITING: interest = .writing
            default: throw error(of: handle)
            }
        }
    }

    private static func error(of handle: OpaquePointer) -> PostgreSQLError {
        PostgreSQLError(opening: String(cString: PQerrorMessage(handle)))
    }
}
