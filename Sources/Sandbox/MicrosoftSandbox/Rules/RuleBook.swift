import Synchronization

/// The rules in force, and how often each has been used.
final class RuleBook: Sendable {
    private struct Entry {
        var rule: SandboxRule
        var passed = 0
        var used = 0
    }

    private let entries = Mutex<[Entry]>([])

    func add(_ rule: SandboxRule) { entries.withLock { $0.append(Entry(rule: rule)) } }

    func removeAll() { entries.withLock { $0.removeAll() } }

    /// The faults for one call, in the order their rules were added; the first of each slot is taken, later ones wait
    /// for the next call.
    ///
    /// - Parameters:
    ///   - subjects: the texts that `match` looks into.
    ///   - connection: whether the call's connection had one before.
    func take(
        _ operation: Operation,
        subjects: [String],
        jobIsOpen: Bool,
        connection: SandboxConnection
    ) -> Faults {
        entries.withLock { entries in
            var faults = Faults()
            for index in entries.indices {
                let rule = entries[index].rule
                guard faults.taken[rule.fault.slot] == nil, operation.matches(pattern: rule.operation),
                    rule.fault.applies(to: operation.role, jobIsOpen: jobIsOpen),
                    rule.connection.map({ $0 == connection }) ?? true,
                    rule.match.map({ wanted in subjects.contains { $0.contains(wanted) } }) ?? true,
                    rule.times.map({ entries[index].used < $0 }) ?? true
                else { continue }
                if entries[index].passed < rule.after {
                    entries[index].passed += 1
                } else {
                    entries[index].used += 1
                    faults.taken[rule.fault.slot] = rule.fault
                }
            }
            return faults
        }
    }
}
