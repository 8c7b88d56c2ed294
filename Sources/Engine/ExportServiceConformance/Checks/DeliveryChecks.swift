import Exports

extension ServiceCase {
    static let deliveries = [
        ServiceCase("a delivery is one row from its beginning to its end") { examination in
            let id = try await examination.create().export.id
            var delivery = Delivery.sample(of: id, 1)
            await examination.service.record(delivery)
            examination.expect(try await examination.deliveries(of: id) == [delivery], "it is under way")
            delivery.endedAt = delivery.startedAt + .seconds(1)
            delivery.outcome = .whole
            delivery.bytesSent = 5
            await examination.service.record(delivery)
            examination.expect(try await examination.deliveries(of: id) == [delivery], "it has ended")
        },
        ServiceCase("deliveries come oldest first, page by page") { examination in
            let id = try await examination.create().export.id
            let all = (1...3).map { Delivery.sample(of: id, $0) }
            for delivery in all.reversed() { await examination.service.record(delivery) }
            let service = examination.service
            let first = try await service.deliveries(of: id, for: .alice, requestID: nil, after: nil, limit: 2)
            examination.expect(first.deliveries == Array(all[..<2]), "the oldest come first")
            examination.expect(first.hasMore && first.next == all[1].id, "there is more")
            let second = try await service.deliveries(of: id, for: .alice, requestID: nil, after: first.next, limit: 2)
            examination.expect(second.deliveries == [all[2]], "the next page has the rest")
            examination.expect(!second.hasMore && second.next == nil, "that is all")
        },
        ServiceCase("deliveries of one request are told apart") { examination in
            let id = try await examination.create().export.id
            let (one, other) = (Delivery.sample(of: id, 1), Delivery.sample(of: id, 2))
            for delivery in [one, other] { await examination.service.record(delivery) }
            let found = try await examination.deliveries(of: id, requestID: other.requestID)
            examination.expect(found == [other], "only those of the request")
        },
        ServiceCase("a use of a ticket is given out once") { examination in
            let id = try await examination.create().export.id
            let ticket = examination.unknownID()
            let uses = [(1, 1), (2, 1), (3, 2)]
                .map { number, use in
                    var delivery = Delivery.sample(of: id, number)
                    delivery.ticket = TicketUse(ticket: ticket, number: use)
                    return delivery
                }
            let service = examination.service
            examination.expect(await service.beginUse(uses[0]), "the first use begins")
            examination.expect(await !service.beginUse(uses[1]), "another one with its number does not")
            examination.expect(await service.beginUse(uses[2]), "the next one does")
            let found = try await service.uses(of: ticket, export: id, limit: 9)
            examination.expect(found == [uses[0], uses[2]], "both are found, in their order")
            examination.expect(try await examination.deliveries(of: id) == found, "they are deliveries as others are")
        },
        ServiceCase("deliveries are those of their export") { examination in
            let (id, other) = (try await examination.create().export.id, try await examination.create().export.id)
            await examination.service.record(Delivery.sample(of: id, 1))
            await examination.service.record(Delivery.sample(of: examination.unknownID(), 2))
            examination.expect(try await examination.deliveries(of: other).isEmpty, "another export has none")
            examination.expect(try await examination.deliveries(of: id).count == 1, "it has its own")
        },
    ]
}

extension ServiceExamination {
    fileprivate func deliveries(of id: ExportID, requestID: String? = nil) async throws -> [Delivery] {
        try await service.deliveries(of: id, for: .alice, requestID: requestID, after: nil, limit: 9).deliveries
    }
}

extension Delivery {
    /// A delivery that is under way. A higher number is a later one.
    fileprivate static func sample(of export: ExportID, _ number: Int) -> Delivery {
        var random = SystemRandomNumberGenerator()
        let time = Timestamp(milliseconds: 1_780_000_000_000) + .seconds(number)
        return Delivery(
            id: ExportID(at: time, random: &random),
            exportID: export,
            fileID: "1",
            caller: Viewer.alice.id,
            requestID: "request-\(number)",
            startedAt: time,
            endedAt: nil,
            coding: "identity",
            outcome: .underWay
        )
    }
}
