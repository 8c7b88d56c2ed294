import ExportLedger
import Exports

extension LedgerCase {
    /// A success with two files that expires at a time.
    private static func success(
        expiring seconds: Int,
        _ status: ExportStatus = .succeeded,
        files: [String] = ["1", "2"],
        in ledger: any ExportLedger
    ) async throws -> ExportID {
        let id = try await ledger.id(of: Sample.record(seconds))
        _ = try await ledger.update(id, fence: nil) { record in
            record.phase = .settled
            record.export.status = status
            record.export.files = files.map { ExportFile(id: $0, name: $0) }
            record.export.expiresAt = Sample.time(seconds)
        }
        return id
    }

    private static func deliver(
        _ file: String?,
        of export: ExportID,
        in ledger: any ExportLedger,
        _ change: (inout Delivery) -> Void = { _ in }
    ) async throws {
        var delivery = Sample.delivery(of: export)
        delivery.fileID = file
        change(&delivery)
        _ = try await ledger.insert(delivery) { _ in }
    }

    private static func told(_ ledger: any ExaminedLedger) async throws -> [ExportID] {
        try await ledger.expiringUndelivered(now: Sample.time(0), by: Sample.time(100), after: nil, limit: 99)
    }

    static let undelivered = [
        LedgerCase("successes that expire soon are told") { examination in
            let ledger = examination.ledger
            let second = try await success(expiring: 100, .partiallySucceeded, in: ledger)
            let first = try await success(expiring: 1, in: ledger)
            for seconds in [0, 101] { _ = try await success(expiring: seconds, in: ledger) }
            _ = try await success(expiring: 50, files: [], in: ledger)
            for status in [ExportStatus.failed, .canceled, .expired, .unknown, .running] {
                _ = try await success(expiring: 50, status, in: ledger)
            }
            examination.expect(try await told(ledger) == [first, second], "those with files, in the order of expiry")
        },
        LedgerCase("what was delivered does not expire undelivered") { examination in
            let ledger = examination.ledger
            var exports: [ExportID] = []
            for seconds in 1...8 { exports.append(try await success(expiring: seconds, in: ledger)) }
            for file in ["1", "2", "2"] { try await deliver(file, of: exports[0], in: ledger) }
            try await deliver(nil, of: exports[1], in: ledger) { $0.coding = "zip" }
            try await deliver("1", of: exports[2], in: ledger)
            for file in ["1", "2"] {
                try await deliver(file, of: exports[3], in: ledger) { $0.kind = .measurement }
                try await deliver(file, of: exports[4], in: ledger) { $0.outcome = .broken }
                try await deliver(file, of: exports[5], in: ledger) { ($0.rangeFirst, $0.rangeLast) = (0, 9) }
                _ = try await ledger.begin(Sample.begun(Sample.delivery(of: exports[6], Int(file) ?? 0)))
            }
            try await deliver(nil, of: exports[7], in: ledger) { $0.outcome = .abandoned }
            let found = try await told(ledger)
            examination.expect(!found.contains(exports[0]), "not with each file")
            examination.expect(!found.contains(exports[1]), "not in an archive")
            examination.expect(found.contains(exports[2]), "one file of two is not all")
            examination.expect(found.contains(exports[3]), "a measurement is no delivery")
            examination.expect(found.contains(exports[4]), "a broken delivery does not count")
            examination.expect(found.contains(exports[5]), "a part does not count")
            examination.expect(found.contains(exports[6]), "what is under way does not count yet")
            examination.expect(found.contains(exports[7]), "half an archive does not count")
        },
        LedgerCase("pages of what expires follow one another") { examination in
            let ledger = examination.ledger
            var exports: [ExportID] = []
            for _ in 0..<3 { exports.append(try await success(expiring: 10, in: ledger)) }
            exports.sort()
            // More than are read at once.
            for _ in 0..<210 { try await deliver(nil, of: success(expiring: 20, in: ledger), in: ledger) }
            exports.append(try await success(expiring: 30, in: ledger))
            for (after, limit, wanted) in [
                (nil, 2, exports[..<2]), ((Sample.time(10), exports[1]), 2, exports[2...]),
                ((Sample.time(10), exports[2]), 9, exports[3...]), ((Sample.time(30), exports[3]), 9, []),
                ((Sample.time(-5), exports[3]), 9, exports[...]), (nil, 0, []),
            ] as [((Timestamp, ExportID)?, Int, ArraySlice<ExportID>)] {
                let page = try await ledger.expiringUndelivered(
                    now: Sample.time(0),
                    by: Sample.time(100),
                    after: after.map { (expiry: $0.0, id: $0.1) },
                    limit: limit
                )
                let place = "\(limit) after \(after.map { "\($0)" } ?? "none")"
                examination.expect(page == Array(wanted), "\(place) are \(wanted.count)")
            }
        },
    ]
}
