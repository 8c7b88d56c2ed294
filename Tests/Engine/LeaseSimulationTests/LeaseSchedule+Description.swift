import ExportLedger

@testable import ExportEngine

extension LeaseSchedule {
    /// Where all stand now, for a schedule that failed.
    var description: String {
        var lines = ["seed \(seed), at \(now / 1000) ms, faults until \(faultsEnd / 1000) ms, \(toCreate) to create"]
        let time = storageNow
        for registration in table.registrations {
            lines.append("registration \(registration.replica): \((registration.expiresAt - time) / 1000) ms")
        }
        for (lease, name) in zip(table.leases, names) {
            lines.append("lease \(name): \(lease.holder.map(String.init) ?? "free"), epoch \(lease.epoch)")
        }
        for (number, record) in table.exports.enumerated() { lines.append("export \(number): \(record)") }
        for process in processes {
            lines.append("process of \(process.replica), running: \(process.isRunning), asks: \(process.isAsking)")
            lines.append(
                "  holds \(process.keeper.held), hands over \(process.keeper.leaving.map { "\($0)" } ?? "nothing")"
            )
            lines += process.works.map { "  \($0)" }
        }
        return lines.joined(separator: "\n")
    }
}
