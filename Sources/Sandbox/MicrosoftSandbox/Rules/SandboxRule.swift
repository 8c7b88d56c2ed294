/// When a fault happens.
public struct SandboxRule: Sendable, Hashable {
    /// Which calls: an operation (`power-bi.start`), a service's calls (`graph.*`, `viva-goals.*`, `intune.*`), a role everywhere
    /// (`*.download`) or `*`. Roles are token, start, status, list, link, download and read.
    public var operation: String
    /// A text that the path, or the name, description or report id of the export spoken of, must contain.
    public var match: String?
    /// Only calls on connections that had a call before, or on those that had none; nil for both.
    public var connection: SandboxConnection?
    /// How often the fault happens; nil for ever.
    public var times: Int?
    /// How many calls go by first.
    public var after: Int
    /// What happens.
    public var fault: SandboxFault

    /// Makes a rule.
    public init(
        operation: String = "*",
        match: String? = nil,
        connection: SandboxConnection? = nil,
        times: Int? = nil,
        after: Int = 0,
        fault: SandboxFault
    ) {
        self.operation = operation
        self.match = match
        self.connection = connection
        self.times = times
        self.after = after
        self.fault = fault
    }
}

/// Which connections a rule is for.
public enum SandboxConnection: String, Sendable, Hashable, CaseIterable {
    /// This is the connection's first call.
    case fresh
    /// The connection had a call before.
    case reused
}

/// The faults that one call took.
struct Faults: Sendable {
    var taken: [SandboxFault.Slot: SandboxFault] = [:]

    subscript(_ slot: SandboxFault.Slot) -> SandboxFault? { taken[slot] }

    func has(_ fault: SandboxFault) -> Bool { taken[fault.slot] == fault }
}
