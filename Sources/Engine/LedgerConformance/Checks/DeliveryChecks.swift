import ExportLedger
import Exports

extension LedgerCase {
    static let deliveries = [
        LedgerCase("a delivery comes back as it was written") { examination in
            let ledger = examination.ledger
            let export = try await ledger.id(of: Sample.record())
            var full = Sample.delivery(of: export, 1)
            full.kind = .measurement
            full.fileID = nil
            full.coding = "gzip"
            (full.rangeFirst, full.rangeLast, full.bytesSent, full.fileBytes) = (5, .max, 1 << 40, 1 << 41)
            full.sha256 = "0a"
            full.resumptions = 3
            full.outcome = .broken
            full.reason = "upstream-broken"
            full.ticket = TicketUse(ticket: Sample.id(7), number: 3)
            let least = Sample.delivery(of: export)
            for delivery in [full, least] { _ = try await ledger.insert(delivery) { _ in } }
            examination.expect(try await ledger.deliveries(of: export) == [least, full], "all, oldest first")
        },
        LedgerCase("a delivery is under way until it ends once") { examination in
            let (ledger, record) = (examination.ledger, Sample.record())
            let export = try await ledger.id(of: record)
            let ended = Sample.delivery(of: export)
            examination.expect(try await ledger.begin(Sample.begun(ended)), "it is written when it begins")
            examination.expect(try await ledger.deliveries(of: export) == [Sample.begun(ended)], "it is under way")
            examination.expect(try await ledger.record(export) == record, "the record is not touched")
            await examination.expectError("it begins once") { _ = try await ledger.begin(Sample.begun(ended)) }
            _ = try await ledger.insert(ended) { $0.export.revision += 1 }
            examination.expect(try await ledger.deliveries(of: export) == [ended], "its end completes the row")
            examination.expect(try await ledger.record(export)?.export.revision == 2, "the record changes with it")
            await examination.expectError("it ends once") {
                _ = try await ledger.insert(ended) { $0.export.revision += 1 }
            }
            examination.expect(try await ledger.record(export)?.export.revision == 2, "a second end changes nothing")
            examination.expect(try await ledger.deliveries(of: export) == [ended], "a second end leaves the row")
        },
        LedgerCase("a use of a ticket begins once") { examination in
            let (ledger, ticket) = (examination.ledger, Sample.id(7))
            let export = try await ledger.id(of: Sample.record())
            let other = try await ledger.id(of: Sample.record(1))
            func use(_ number: Int, of export: ExportID, _ delivery: Int) -> Delivery {
                var use = Sample.begun(Sample.delivery(of: export, delivery))
                use.ticket = TicketUse(ticket: ticket, number: number)
                return use
            }
            let (first, second) = (use(1, of: export, 0), use(2, of: export, 2))
            let begun = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<8 { group.addTask { try await ledger.begin(use(1, of: export, number)) } }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            examination.expect(begun == 1, "of eight at once, one begins")
            let stored = try await ledger.deliveries(of: export, ticket: ticket, limit: 9)
            examination.expect(stored.count == 1, "one is stored")
            examination.expect(try await ledger.begin(use(1, of: other, 0)), "each export has uses of its own")
            examination.expect(try await ledger.begin(use(2, of: export, 20)), "the next one begins")
            let uses = try await ledger.deliveries(of: export, ticket: ticket, limit: 9)
            examination.expect(uses.map(\.ticket) == [first.ticket, second.ticket], "both, in their order")
            examination.expect(
                try await ledger.deliveries(of: export, ticket: ticket, limit: 1) == Array(uses.prefix(1)),
                "no more than asked for"
            )
            let none = try await ledger.deliveries(of: export, ticket: Sample.id(8), limit: 9)
            examination.expect(none.isEmpty, "another ticket has none")
        },
        LedgerCase("an unknown export has no deliveries") { examination in
            let (ledger, unknown) = (examination.ledger, Sample.delivery(of: Sample.id()))
            examination.expect(try await !ledger.begin(Sample.begun(unknown)), "none begins")
            let outcome = try await ledger.insert(unknown) { $0.fence += 1 }
            examination.expect(outcome == .notFound, "none ends")
        },
        LedgerCase("a delivery's end does not ask for the fence") { examination in
            let ledger = examination.ledger
            let export = try await ledger.id(of: Sample.record())
            let owned = try await ledger.takeOver(by: "other", after: nil, limit: 9) { _ in }.items.first?.after
            let outcome = try await ledger.insert(Sample.delivery(of: export)) { $0.export.revision += 1 }
            var wanted = owned
            wanted?.export.revision = 2
            if case .written(let before, let after) = outcome {
                examination.expect(before == owned && after == wanted, "both records are told")
            } else {
                examination.report("it is written whoever owns the export")
            }
            let update = try await ledger.update(export, fence: owned?.fence) { $0.export.revision += 1 }
            examination.expect(update != .stale, "the owner's fence stays good")
        },
        LedgerCase("what is under way at a start is broken") { examination in
            let ledger = examination.ledger
            let export = try await ledger.id(of: Sample.record())
            let (cut, ended) = (Sample.delivery(of: export), Sample.delivery(of: export, 1))
            _ = try await ledger.begin(Sample.begun(cut))
            _ = try await ledger.insert(ended) { _ in }
            let count = try await ledger.breakDeliveriesUnderWay(at: Sample.time(60), reason: "stopped")
            examination.expect(count == 1, "those under way are counted")
            var broken = cut
            broken.endedAt = Sample.time(60)
            broken.outcome = .broken
            broken.reason = "stopped"
            examination.expect(try await ledger.deliveries(of: export) == [broken, ended], "the rest stays as it is")
            let again = try await ledger.breakDeliveriesUnderWay(at: Sample.time(61), reason: "other")
            examination.expect(again == 0, "none is under way any more")
        },
        LedgerCase("pages of deliveries follow one another") { examination in
            let ledger = examination.ledger
            let export = try await ledger.id(of: Sample.record())
            let all = (0..<7).map { Sample.delivery(of: export, $0, request: $0 % 3 == 1 ? "mine" : "other") }
            for delivery in all.shuffled() { _ = try await ledger.insert(delivery) { _ in } }
            _ = try await ledger.insert(Sample.delivery(of: try await ledger.id(of: Sample.record(1)))) { _ in }
            for (after, limit, wanted, hasMore) in [
                (nil, 3, all[..<3], true), (all[2].id, 3, all[3..<6], true), (all[3].id, 3, all[4...], false),
                (all[6].id, 9, [], false), (nil, 0, [], true),
            ] as [(ExportID?, Int, ArraySlice<Delivery>, Bool)] {
                let page = try await ledger.deliveries(of: export, requestID: nil, after: after, limit: limit)
                examination.expect(
                    page == DeliveryPage(deliveries: Array(wanted), hasMore: hasMore),
                    "\(limit) after \(after?.description ?? "none") are \(wanted.count)"
                )
            }
            let mine = try await ledger.deliveries(of: export, requestID: "mine", after: nil, limit: 9)
            examination.expect(mine?.deliveries == [all[1], all[4]], "those of one request")
        },
    ]
}
