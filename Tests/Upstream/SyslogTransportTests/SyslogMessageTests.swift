import Audit
import Exports
import Testing

@testable import SyslogTransport

@Suite struct SyslogMessageTests {
    private let sender = SyslogMessage.Sender(hostName: "gateway-1", appName: "export-gateway", process: "17")

    private func row(_ action: AuditAction, _ outcome: AuditOutcome) -> AuditRow {
        AuditRow(
            sequence: 7,
            entry: AuditEntry(
                id: ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")!,
                time: Timestamp(milliseconds: 1_751_000_000_123),
                action: action,
                outcome: outcome,
                caller: "ü"
            ),
            previous: AuditRow.noCode,
            keyID: "k",
            code: AuditRow.noCode
        )
    }

    @Test func aRowIsAMessageInItsFrame() throws {
        let row = row(.ticket, .succeeded)
        let frame = SyslogMessage(row, from: sender).frame
        let header = "<109>1 2025-06-27T04:53:20.123Z gateway-1 export-gateway 17 ticket - "
        let message = Array(header.utf8) + [0xEF, 0xBB, 0xBF] + row.line
        #expect(frame == Array("\(message.count) ".utf8) + message)
        let refused = String(decoding: SyslogMessage(self.row(.deny, .refused), from: sender).frame, as: UTF8.self)
        #expect(refused.contains("<108>1 ") && refused.contains(" deny - "))
    }

    @Test func aHeadIsAMessage() {
        let head = AuditHead(row(.create, .succeeded))
        let text = String(decoding: SyslogMessage(head, from: sender).frame, as: UTF8.self)
        #expect(text.contains("<110>1 ") && text.contains(" head - ") && text.contains("\"sequence\":7"))
    }

    @Test func namesThatCannotStandInAMessageAreLeftOut() {
        let odd = SyslogMessage.Sender(hostName: "a b", appName: String(repeating: "x", count: 49), process: "")
        #expect((odd.hostName, odd.appName, odd.process) == ("-", "-", "-"))
    }

    @Test func theQueueKeepsWhatCameFirst() {
        var queue = SyslogQueue(limit: 3)
        for byte in 1...5 { queue.add(Array(repeating: UInt8(byte), count: 10)) }
        #expect(queue.count == 3 && queue.takeDropped() == 2 && queue.takeDropped() == 0)
        #expect(queue.first(bytes: 25).map { $0[0] } == [1, 2])
        #expect(queue.first(bytes: 1).map { $0[0] } == [1])
        queue.removeFirst(2)
        queue.add([9])
        #expect(queue.first(bytes: 100).map { $0[0] } == [3, 9])
        for _ in 0..<10 {
            queue.removeFirst(1)
            queue.add([8])
        }
        #expect(queue.count == 2)
        queue.close()
        queue.add([1])
        #expect(queue.isEmpty && queue.takeDropped() == 3)
    }
}
