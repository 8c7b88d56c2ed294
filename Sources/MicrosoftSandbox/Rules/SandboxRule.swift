/// When a fault happens.
public struct SandboxRule: Sendable, Hashable {
    /// Which calls: an operation (`power-bi.start`), a service's calls (`graph.*`, `viva-goals.*`), a role everywhere
    /// (`*.download`) or `*`. Roles are token, start, status, list, link, download and read.
    public var operation: String
    /// A text that the path, or the name, description or report id of the export spoken of, must contain.
    public var match: String?
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
        times: Int? = nil,
        after: Int = 0,
        fault: SandboxFault
    ) {
        self.operation = operation
        self.match = match
        self.times = times
        self.after = after
        self.fault = fault
    }
}

/// The faults that one call took.
struct Faults: Sendable {
    var taken: [SandboxFault.Slot: SandboxFault] = [:]

    subscript(_ slot: SandboxFault.Slot) -> SandboxFault? { taken[slot] }

    func has(_ fault: SandboxFault) -> Bool { taken[fault.slot] == fault }
}
