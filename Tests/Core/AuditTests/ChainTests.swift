import Audit
import Exports
import ManualClock
import SystemCrypto
import Testing

@Suite struct ChainTests {
    @Test func eachRowHasTheNextNumberAndTheCodeOfTheRowBefore() {
        var trail = Trail()
        let first = trail.seal([trail.entry(), trail.entry(.cancel)])
        #expect(first.rejected.isEmpty)
        #expect(first.rows.map(\.entry.action) == [.keyChange, .create, .cancel])
        #expect(first.rows[0].entry.details == ["to": trail.key.id] && first.rows[0].previous == AuditRow.noCode)
        trail.seal([trail.entry(.download)])
        #expect(trail.rows.map(\.sequence) == [1, 2, 3, 4])
        #expect(trail.rows.dropFirst().map(\.previous) == trail.rows.dropLast().map(\.code))
        #expect(trail.rows.allSatisfy { trail.key.hasSealed($0) && $0.entry.stamp.isEmpty })
        #expect(trail.findings() == [])
    }

    /// The form is a part of the interface: who has the key can check a row without this program.
    @Test func theCodeIsMadeAsTheArticleSays() {
        let entry = AuditEntry(
            id: ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")!,
            time: Timestamp(milliseconds: 1_751_000_000_123),
            action: .ticket,
            outcome: .succeeded,
            caller: "ü",
            address: nil,
            requestID: "r-1",
            exportID: nil,
            details: ["b": "2", "a": ""]
        )
        let key = Array(repeating: UInt8(7), count: 32)
        let row = AuditRow(
            sequence: 3,
            entry: entry,
            previous: AuditRow.noCode,
            keyID: Trail.key(7).id,
            code: HMACSHA256.authenticationCode(
                for: Array("26:export-gateway audit row 132:".utf8) + AuditRow.noCode
                    + Array("1:316:\(Trail.key(7).id)36:01981f3e-7c1a-7b52-9d3e-0242ac12000213:1751000000123".utf8)
                    + Array("6:ticket9:succeeded2:ü-3:r-1-1:21:a0:1:b1:2".utf8),
                key: key
            )
        )
        #expect(Trail.key(7).hasSealed(row))
        #expect(
            Trail.key(7).id
                == String(
                    Hexadecimal.encode(
                        HMACSHA256.authenticationCode(for: Array("export-gateway audit key".utf8), key: key)
                    )
                    .prefix(16)
                )
        )
    }

    @Test func whatTheGatewayHasNotMadeIsRejected() {
        var trail = Trail()
        let (good, forged, own) = (trail.entry(), trail.entry().altered(), trail.entry(.keyChange))
        let batch = trail.seal([forged, good, own])
        #expect(batch.rejected == [forged, own] && batch.fates == [.rejected, .sealed, .rejected])
        #expect(batch.rows.map(\.entry.action) == [.keyChange, .create, .reject])
        #expect(batch.rows.last?.entry.details == ["count": "2", "first": "\(forged.id)"])
        let again = trail.seal([good], known: [good.id])
        #expect(again.rejected == [good] && again.rows.map(\.entry.action) == [.reject])
        let fresh = trail.entry()
        let twice = trail.seal([trail.entry(), fresh, fresh])
        #expect(twice.rejected == [fresh])
        // One that was made up does not keep out the one whose id it has.
        let other = trail.entry()
        let pair = trail.seal([other.altered(), other])
        #expect(pair.fates == [.rejected, .sealed])
        #expect(trail.findings() == [])
    }

    @Test func whatHasAnotherKeyWaitsForIt() {
        var trail = Trail()
        let (foreign, unstamped, good) = (Trail(key: 9).entry(), trail.entry().unstamped, trail.entry())
        let batch = trail.seal([foreign, unstamped, good])
        #expect(batch.fates == [.waiting, .waiting, .sealed] && batch.waiting == [foreign, unstamped])
        #expect(batch.rows.map(\.entry.action) == [.keyChange, .create])
        let later = trail.seal([foreign], with: Trail.key(9))
        #expect(later.fates == [.sealed] && later.rows.last?.entry == foreign.unstamped)
    }

    @Test func whatMayBeACopyOfADeletedRowIsRejected() {
        var trail = Trail()
        let now = Trail.time.now()
        let (copied, late, new) = (
            trail.entry(), trail.entry(at: now + .seconds(-9)), trail.entry(at: now + .seconds(1))
        )
        trail.seal([copied, trail.entry()])
        let anchor = trail.key.anchor(trail.rows[1], newest: now, at: now)
        // Of one that is late, nobody can say that it is no copy: it is not sealed, and not passed over in silence either.
        trail.rows.removeFirst(2)
        let batch = trail.seal([copied, late, new], after: anchor)
        #expect(batch.rejected == [copied, late] && batch.fates.last == .sealed && batch.anchor == anchor)
    }

    /// Without a beginning that is proved, nobody knows what is a copy.
    @Test func whereTheBeginningWasChangedAllEntriesWait() {
        var trail = Trail()
        let now = Trail.time.now()
        trail.seal((0..<4).map { _ in trail.entry() })
        let (entry, all) = (trail.entry(at: now + .seconds(1)), trail.rows)
        func found(_ rows: [AuditRow], _ anchor: AuditAnchor?, former: AuditAnchor? = nil) -> AuditFinding.Kind? {
            var changed = trail
            changed.rows = rows
            let batch = changed.seal([entry], after: anchor, former: former)
            let fate: AuditChain.Batch.Fate = batch.finding == nil ? .sealed : .waiting
            #expect(batch.fates == [fate])
            #expect(batch.rejected.isEmpty && batch.waiting.isEmpty)
            return batch.finding?.kind
        }
        let first = trail.key.anchor(all[0], newest: now, at: now)
        let anchor = trail.key.anchor(all[1], newest: now, at: now)
        let rest = Array(all.dropFirst(2))
        #expect(found([], nil) == nil && found(all, nil) == nil && found(rest, anchor) == nil)
        #expect(found(rest, anchor, former: first) == nil && found(rest, anchor, former: anchor) == nil)
        #expect(found(rest, nil) == .beginningMissing)
        #expect(found(all, anchor) == .beginningMissing)
        #expect(found(Array(rest.dropFirst()), anchor) == .beginningMissing)
        #expect(found([], anchor) == .endMissing)
        // What was there before is not the beginning any more.
        #expect(found(all, nil, former: anchor) == .beginningMissing)
        #expect(found(Array(all.dropFirst()), first, former: anchor) == .beginningMissing)
        #expect(found(rest, Trail.key(9).anchor(all[1], newest: now, at: now)) == .unknownKey)
        for newest in [Timestamp(milliseconds: 0), AuditBounds.times.upperBound] {
            let forged = AuditAnchor(
                sequence: 2,
                code: anchor.code,
                time: now,
                newest: newest,
                keyID: anchor.keyID,
                proof: anchor.proof
            )
            #expect(found(rest, forged) == .forgedAnchor)
        }
    }

    @Test func anotherKeyIsARow() {
        var trail = Trail()
        trail.seal([trail.entry()])
        let other = Trail.key(8)
        // Entries that were stamped with the key before are taken.
        trail.seal([trail.entry()], with: other)
        #expect(trail.rows.map(\.entry.action) == [.keyChange, .create, .keyChange, .create])
        #expect(trail.rows[2].entry.details == ["from": trail.key.id, "to": other.id])
        #expect(trail.rows.map(\.keyID) == [trail.key.id, trail.key.id, other.id, other.id])
        #expect(trail.findings(keys: [trail.key, other]) == [])
        #expect(trail.findings(keys: [other]) == [.unknownKey, .unknownKey])
    }

    @Test func aKeyDoesNotPrintItself() {
        let key = Trail.key(7)
        for text in ["\(key)", String(reflecting: key), "\(AuditKeys([key]))"] { #expect(!text.contains("7, 7")) }
        #expect(AuditKey(SecretBytes([1, 2, 3])) == nil)
    }

    @Test func aLineIsReadAsItWasWritten() throws {
        var trail = Trail()
        trail.seal([trail.entry(), trail.entry(.deny, nil)])
        for row in trail.rows { #expect(AuditRow(line: row.line) == row) }
        let line = String(decoding: trail.rows[1].line, as: UTF8.self)
        #expect(AuditRow(line: line.replacing("\"sequence\":2", with: "\"sequence\":2,\"more\":1").utf8) == nil)
        #expect(AuditRow(line: line.replacing("\"name\":", with: "\"number\":1,\"name\":").utf8) == nil)
        #expect(AuditRow(line: line.replacing("create", with: "nothing").utf8) == nil)
        for number in ["0", "-1", "\(Int64(1) << 62)", "\(Int64.max)"] {
            #expect(AuditRow(line: line.replacing("\"sequence\":2", with: "\"sequence\":\(number)").utf8) == nil)
        }
        let head = AuditHead(trail.rows[1])
        #expect(AuditHead(line: head.line) == head)
        let logged = "{\"message\":\"audit head\",\"sequence\":\"2\",\"keyId\":\"k\",\"hmac\":\"\(head.codeText)\"}"
        #expect(AuditHead(line: logged.utf8)?.code == head.code && AuditHead(line: logged.utf8)?.sequence == 2)
        #expect(AuditHead(line: "no head".utf8) == nil)
        let large = AuditHead(sequence: .max, code: head.code, keyID: head.keyID, time: head.time)
        #expect(AuditHead(line: large.line) == nil)
    }

    @Test func textsAreCut() {
        let trail = Trail()
        let long = String(repeating: "ü", count: 200)
        let details = Dictionary(uniqueKeysWithValues: (0..<20).map { ("name \($0)", "a\0b") })
        let entry = trail.writer.entry(.deny, .refused, by: AuditOrigin(caller: long), details)
        #expect(entry.caller == String(repeating: "ü", count: 128))
        #expect(entry.details.count == AuditEntry.mostDetails && Set(entry.details.values) == ["ab"])
        #expect(trail.key.hasStamped(entry))
    }
}
