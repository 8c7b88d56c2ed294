import CallerIdentity
import Exports
import HTTPTypes
import JSON
import Logging
import ManualClock
import Synchronization
import SystemCrypto
import Testing

@testable import GatewayAPI

@Suite struct TicketTests {
    private static let key = "a-key-for-tests"

    private let time = ManualTime()

    private func gateway(
        permissions: Permissions? = .ownExports,
        _ configure: @escaping (inout APISettings) -> Void = { _ in }
    ) -> (TestGateway, Export) {
        let service = FakeExportService(time: time) { _ throws(GatewayError) in
            fileBody(["a,b\n", "1,2\n"], contentLength: 8)
        }
        let gateway = TestGateway(time: time, service: service) { settings in
            let other = APIKey(id: "other", sha256: SHA256.hash(Array("another".utf8)))
            settings.apiKeys = [other]
            if let permissions {
                let sha256 = SHA256.hash(Array(Self.key.utf8))
                settings.apiKeys.append(APIKey(id: "reporting", sha256: sha256, permissions: permissions))
            }
            configure(&settings)
        }
        let export = service.put(.succeeded) {
            $0.createdBy = "reporting"
            $0.files = [ExportFile(id: "1", name: "Sales.csv", size: 8)]
        }
        return (gateway, export)
    }

    private func create(_ gateway: TestGateway, _ export: Export, file: String = "1") async throws -> Answer {
        try await gateway.call(
            .post,
            "/exports/\(export.id)/files/\(file)/tickets",
            headers: [.authorization: "Bearer \(Self.key)"]
        )
    }

    /// The path of a new ticket.
    private func ticket(_ gateway: TestGateway, _ export: Export) async throws -> String {
        let answer = try await create(gateway, export)
        #expect(answer.status == 201)
        let href = try #require(answer.json["href"]?.string)
        #expect(answer.headers[.location] == href)
        #expect(href.hasPrefix("../../../../tickets/"))
        return String(href.dropFirst("../../../..".count))
    }

    @Test func isGoodForOneWholeDelivery() async throws {
        let (gateway, export) = gateway()
        let path = try await ticket(gateway, export)
        #expect(try await gateway.call(.head, path).status == 200)
        let first = try await gateway.call(.get, path)
        #expect(first.status == 200)
        #expect(first.body == "a,b\n1,2\n")
        #expect(first.headers[.cacheControl] == "private, no-store, no-transform")
        #expect(first.headers[.init("Referrer-Policy")!] == "no-referrer")
        #expect(first.headers[.contentDisposition]?.hasPrefix("attachment") == true)
        let second = try await gateway.call(.get, path)
        #expect(second.status == 410 && second.code == "ticket-used")
        #expect(try await gateway.call(.head, path).status == 410)
        let deliveries = gateway.service.state.withLock { $0.deliveries }
        #expect(deliveries.count == 1)
        #expect(deliveries.first?.caller == "reporting")
        #expect(deliveries.first?.ticket?.number == 1)
        let viewer = gateway.service.state.withLock { $0.viewers.last }
        #expect(viewer?.token == nil && viewer?.callerID == "reporting" && viewer?.seesAll == false)
        let shown = try await gateway.call(
            .get,
            "/exports/\(export.id)/deliveries",
            headers: [.authorization: "Bearer \(Self.key)"]
        )
        #expect(
            shown.json["value"]?.array?.first?["ticketId"]
                == deliveries.first?.ticket.map { .string($0.ticket.description) }
        )
    }

    @Test func endsWithItsTime() async throws {
        let (gateway, export) = gateway()
        let answer = try await create(gateway, export)
        #expect(answer.json["expiresAt"]?.string == (time.now() + .seconds(900)).description)
        let path = try await ticket(gateway, export)
        time.advance(by: .seconds(900))
        let late = try await gateway.call(.get, path)
        #expect(late.status == 410 && late.code == "ticket-expired")
        #expect(gateway.service.state.withLock { $0.deliveries }.isEmpty)
    }

    @Test func doesNotOutliveTheFiles() async throws {
        let (gateway, export) = gateway()
        gateway.service.change(export.id) { $0.expiresAt = time.now() + .seconds(60) }
        let answer = try await create(gateway, export)
        #expect(answer.json["expiresAt"]?.string == (time.now() + .seconds(60)).description)
    }

    @Test func cannotBeAlteredOrMadeUp() async throws {
        let (gateway, export) = gateway()
        let path = try await ticket(gateway, export)
        let text = Array(path.dropFirst("/tickets/".count))
        var tried = [
            "x", String(repeating: "A", count: 300), String(text.dropLast()), String(text) + "A", String(text) + "=",
            String(text.reversed()), export.id.description,
        ]
        for place in text.indices {
            var altered = text
            altered[place] = altered[place] == "A" ? "B" : "A"
            tried.append(String(altered))
        }
        for text in tried {
            #expect(try await gateway.call(.get, "/tickets/\(text)").status == 404, "\(text)")
        }
        #expect(gateway.service.state.withLock { $0.effects }.isEmpty)
        // Made with another key.
        let (other, same) = self.gateway { $0.cursorKey = SecretBytes(Array(repeating: 8, count: 32)) }
        let foreign = try await ticket(other, same)
        #expect(try await gateway.call(.get, foreign).status == 404)
        #expect(try await gateway.call(.get, path).status == 200)
    }

    @Test func isInNoProblemDocument() async throws {
        let (gateway, export) = gateway()
        let path = try await ticket(gateway, export)
        for status in [ExportStatus.succeeded, .running, .failed] {
            gateway.service.change(export.id) { $0.status = status }
            let answer = try await gateway.call(.get, path, headers: [.ifMatch: "\"other\""])
            #expect(answer.status >= 400)
            #expect(!answer.body.contains(path.dropFirst("/tickets/".count)))
            #expect(answer.json["instance"] == nil)
        }
    }

    @Test func endsWithItsCaller() async throws {
        let (gateway, export) = gateway()
        let path = try await ticket(gateway, export)
        func call(_ permissions: Permissions?) async throws -> Answer {
            let (later, _) = self.gateway(permissions: permissions)
            later.service.state.withLock { $0.exports[export.id] = export }
            return try await later.call(.get, path)
        }
        #expect(try await call(nil).status == 404)
        #expect(try await call(Permissions([.read])).status == 403)
        #expect(try await call(.ownExports).status == 200)
    }

    @Test func endsWithItsCallersToken() {
        let authentication = Authentication(
            keys: [APIKey(id: "reporting", sha256: SHA256.hash([1]))],
            tokenAuthority: nil,
            certificates: [],
            time: time,
            logger: .init(label: "tests"),
            metrics: TestGateway().registry
        )
        let end = time.now() + .seconds(60)
        let user = Caller(id: "user:t:o", kind: .user, permissions: Permissions([.download]), tokenEnd: end)
        // Tokens are not accepted here any more.
        #expect(authentication.present(user) == nil)
        #expect(authentication.present(.anonymous) == nil)
    }

    @Test func isRefusedWhereOnlyACallersTokenReads() async throws {
        let (gateway, export) = gateway()
        gateway.service.state.withLock { $0.needsCallerToken = true }
        let answer = try await create(gateway, export)
        #expect(answer.status == 409 && answer.code == "ticket-not-possible")
        #expect(answer.json["detail"]?.string?.contains("Upstream-Authorization") == true)
    }

    @Test func canBeSwitchedOff() async throws {
        let (gateway, export) = gateway()
        let path = try await ticket(gateway, export)
        let (closed, _) = self.gateway { $0.ticketLifetime = nil }
        closed.service.state.withLock { $0.exports[export.id] = export }
        #expect(try await create(closed, export).code == "ticket-not-possible")
        #expect(try await closed.call(.get, path).status == 404)
    }

    @Test func needsAFileAndThePermission() async throws {
        let (gateway, export) = gateway()
        #expect(try await create(gateway, export, file: "2").status == 404)
        let running = gateway.service.put { $0.createdBy = "reporting" }
        #expect(try await create(gateway, running).code == "not-ready")
        let others = gateway.service.put(.succeeded) { $0.createdBy = "other" }
        #expect(try await create(gateway, others).status == 404)
        let (reader, same) = self.gateway(permissions: Permissions([.read]))
        #expect(try await create(reader, same).status == 403)
    }

    @Test func oneDownloadAtATime() async throws {
        let (gateway, export) = gateway()
        let path = try await ticket(gateway, export)
        #expect(try await gateway.call(.get, path, headers: [.range: "bytes=0-3"]).status == 206)
        gateway.service.state.withLock { $0.deliveries[0].outcome = .underWay }
        // Of another process, so that it cannot be broken off.
        let answer = try await gateway.call(.get, path)
        #expect(answer.status == 409 && answer.code == "ticket-in-use")
        #expect(answer.headers[.retryAfter] == "1")
        #expect(try await gateway.call(.head, path).status == 200)
    }
}

@Suite struct TicketHistoryTests {
    private func delivery(_ number: Int, _ range: ClosedRange<Int64>?, _ bytes: Int64, _ outcome: Delivery.Outcome)
        -> Delivery
    {
        var random = SystemRandomNumberGenerator()
        let id = ExportID(at: Timestamp(milliseconds: 1_780_000_000_000), random: &random)
        var delivery = Delivery(
            id: id,
            exportID: id,
            fileID: "1",
            caller: "reporting",
            requestID: "r",
            startedAt: Timestamp(milliseconds: 1_780_000_000_000),
            endedAt: nil,
            coding: "identity",
            outcome: outcome
        )
        delivery.rangeFirst = range?.lowerBound
        delivery.rangeLast = range?.upperBound
        delivery.fileBytes = bytes
        delivery.ticket = TicketUse(ticket: id, number: number)
        return delivery
    }

    @Test func endsWhenTheFileWasSent() {
        func state(_ deliveries: [Delivery], size: Int64? = 100) -> TicketHistory.State {
            TicketHistory(deliveries, size: size).state
        }
        #expect(state([]) == .usable(1))
        #expect(state([delivery(1, nil, 100, .whole)]) == .used)
        #expect(state([delivery(1, nil, 0, .whole)], size: 0) == .used)
        // Cut off, even behind the last byte, which the client may not have.
        #expect(state([delivery(1, nil, 60, .abandoned)]) == .usable(2))
        #expect(state([delivery(1, nil, 100, .abandoned)]) == .usable(2))
        #expect(state([delivery(1, nil, 60, .broken), delivery(2, 50...99, 50, .whole)]) == .used)
        // A reader that looks at the end first.
        #expect(state([delivery(1, 90...99, 10, .whole)]) == .usable(2))
        #expect(state([delivery(1, 90...99, 10, .whole), delivery(2, 0...89, 90, .whole)]) == .used)
        #expect(state([delivery(1, 90...99, 10, .whole), delivery(2, 10...89, 80, .whole)]) == .usable(3))
        #expect(state([delivery(1, 0...9, 10, .underWay)]) == .inUse)
        #expect(state([delivery(1, 0...9, 10, .whole)], size: nil) == .used)
        // Killed in the middle of a use: it is not known how much was sent.
        var killed = delivery(1, nil, 0, .broken)
        killed.reason = Delivery.gatewayStopped
        #expect(state([killed]) == .usable(2))
        #expect(state([killed, delivery(2, 60...99, 40, .whole)]) == .used)
        // Nearly the whole file, again and again.
        let size: Int64 = 8 << 20
        let nearly = (1...3).map { delivery($0, 0...(size - 2), size - 1, .whole) }
        #expect(state(Array(nearly.prefix(2)), size: size) == .usable(3))
        #expect(state(nearly, size: size) == .used)
        let many = (1...TicketHistory.limit).map { delivery($0, 0...0, 1, .whole) }
        #expect(state(Array(many.dropLast())) == .usable(TicketHistory.limit))
        #expect(state(many) == .used)
    }
}
