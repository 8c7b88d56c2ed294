import GatewayClient
import ProgramSupport

/// One file in a display of downloads.
struct DownloadRow: Sendable {
    let name: String
    private(set) var reached: Int64
    private(set) var total: Int64?
    private(set) var meter = RateMeter()
    private(set) var note: String?

    init(name: String, from offset: Int64, total: Int64?) {
        self.name = name
        self.total = total
        reached = offset
    }

    /// So many bytes are there, of so many where that is known.
    mutating func reach(_ bytes: Int64, of total: Int64?) {
        reached = bytes
        self.total = total
        note = nil
    }

    /// It waits.
    mutating func wait(at offset: Int64) {
        reached = offset
        note = "waiting"
    }

    /// Takes a reading for the rate.
    mutating func tick(at time: Duration) { meter.read(reached, at: time) }

    /// The row for a pipe.
    var plain: String {
        var text = "\(name): \(figures.joined(separator: ", "))"
        if let share { text += ", \(Int(share * 100))%" }
        return text
    }

    /// How much is there, how fast it comes, and how long it will take.
    private var figures: [String] {
        var figures = [total.map { "\(Figures.bytes(reached)) of \(Figures.bytes($0))" } ?? Figures.bytes(reached)]
        if let note {
            figures.append(note)
        } else if let rate = meter.bytesPerSecond {
            figures.append("\(Figures.bytes(Int64(max(0, rate))))/s")
            if let left = meter.remaining(to: total) { figures.append("\(Figures.clock(left)) left") }
        }
        return figures
    }

    private var share: Double? { total.flatMap { $0 > 0 ? min(1, Double(reached) / Double($0)) : nil } }

    /// The row for a terminal: name, bar, share, size, rate and remaining time, as far as the width allows.
    func line(width: Int) -> String {
        let figures = figures.joined(separator: "  ")
        let percent = share.map { String(Int($0 * 100)) }.map { String(repeating: " ", count: 3 - $0.count) + $0 + "%" }
        let nameWidth = min(30, max(8, width / 4))
        let shown = TerminalText.printable(name)
        let short = shown.count > nameWidth ? shown.prefix(nameWidth - 1) + "…" : shown[...]
        let label = short + String(repeating: " ", count: nameWidth - short.count)
        guard let share, let percent else { return "\(label)  \(figures)" }
        let barWidth = width - nameWidth - figures.count - 12
        guard barWidth >= 8 else { return "\(label) \(percent) \(figures)" }
        let filled = Int(share * Double(barWidth))
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: barWidth - filled)
        return "\(label) [\(bar)] \(percent)  \(figures)"
    }
}
