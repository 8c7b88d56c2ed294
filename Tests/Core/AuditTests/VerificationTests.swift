import Audit
import Exports
import ManualClock
import Testing

@Suite struct VerificationTests {
    private func trail(_ count: Int = 8) -> Trail {
        var trail = Trail()
        trail.seal((0..<count).map { _ in trail.entry() })
        return trail
    }

    @Test func everyTamperingIsFound() {
        let trail = trail()
        let rows = trail.rows
        let heads = [AuditHead(rows[3]), AuditHead(rows[8])]
        #expect(trail.findings(heads: heads) == [])
        func changed(_ change: (inout [AuditRow]) -> Void) -> [AuditFinding.Kind] {
            var rows = rows
            change(&rows)
            return trail.findings(rows, heads: heads)
        }
        #expect(changed { $0[4] = $0[4].altered() } == [.altered])
        #expect(changed { $0.remove(at: 4) } == [.missing])
        #expect(changed { $0.removeFirst(2) } == [.beginningMissing])
        #expect(changed { $0.removeLast() } == [.endMissing])
        #expect(changed { $0.removeAll() } == [.endMissing])
        #expect(changed { $0.swapAt(4, 5) }.contains(.misplaced))
        // With their numbers changed too, the codes are wrong.
        #expect(
            changed { rows in
                let (first, second) = (rows[4], rows[5])
                rows[4] = second.altered(caller: "alice", sequence: first.sequence)
                rows[5] = first.altered(caller: "alice", sequence: second.sequence)
            }
            .contains(.altered)
        )
        #expect(
            changed { rows in
                rows.insert(rows[4].altered(sequence: 6, previous: rows[4].code), at: 5)
                for index in 6..<rows.count {
                    rows[index] = rows[index].altered(caller: "alice", sequence: rows[index].sequence + 1)
                }
            }
            .contains(.altered)
        )
        #expect(changed { $0[4] = $0[4].altered(caller: "alice", previous: AuditRow.noCode) } == [.broken, .altered])
    }

    /// Who has not the key can make codes that fit together.
    @Test func aChainWithoutTheKeyIsFound() {
        let trail = trail()
        let forger = Trail(key: 9)
        var (rows, previous) = ([AuditRow](), trail.rows[2].code)
        for row in trail.rows.dropFirst(3) {
            let code = Array(repeating: UInt8(row.sequence), count: 32)
            rows.append(row.altered(previous: previous, code: code))
            previous = code
        }
        let found = trail.findings(Array(trail.rows.prefix(3)) + rows)
        #expect(found == Array(repeating: .altered, count: 6))
        var other = forger
        other.seal((0..<8).map { _ in other.entry() })
        #expect(trail.findings(other.rows) == Array(repeating: .unknownKey, count: 9))
    }

    @Test func aHeadShowsThatTheChainWasMadeAgain() {
        let trail = trail()
        var again = Trail()
        again.seal((0..<12).map { _ in again.entry() })
        #expect(again.findings(heads: [AuditHead(trail.rows[4])]) == [.otherHead])
        #expect(trail.findings(heads: [AuditHead(again.rows[11])]) == [.endMissing])
    }

    @Test func theBeginningMoves() {
        let trail = trail()
        let now = Trail.time.now()
        let anchor = trail.key.anchor(trail.rows[3], newest: now, at: now)
        let rest = Array(trail.rows.dropFirst(4))
        #expect(trail.findings(rest, .trail(anchor), heads: [AuditHead(trail.rows[3])]) == [])
        #expect(trail.findings(Array(rest.dropFirst()), .trail(anchor)) == [.beginningMissing])
        let forged = AuditAnchor(
            sequence: 5,
            code: trail.rows[4].code,
            time: anchor.time,
            newest: anchor.newest,
            keyID: anchor.keyID,
            proof: anchor.proof
        )
        #expect(trail.findings(Array(rest.dropFirst()), .trail(forged)) == [.forgedAnchor])
        // Who could move this time back could have copies of deleted rows sealed.
        let moved = AuditAnchor(
            sequence: anchor.sequence,
            code: anchor.code,
            time: anchor.time,
            newest: Timestamp(milliseconds: 0),
            keyID: anchor.keyID,
            proof: anchor.proof
        )
        #expect(trail.findings(rest, .trail(moved)) == [.forgedAnchor])
        let other = Trail.key(9).anchor(trail.rows[3], newest: now, at: now)
        #expect(trail.findings(rest, .trail(other)) == [.unknownKey])
    }

    /// The last row is never deleted because of its age.
    @Test func aRowFollowsTheAnchor() {
        let trail = trail()
        let now = Trail.time.now()
        let anchor = trail.key.anchor(trail.rows[8], newest: now, at: now)
        #expect(trail.findings([], .trail(anchor)) == [.endMissing])
        #expect(trail.findings([], .trail(nil)) == [])
        let forged = AuditAnchor(
            sequence: 9,
            code: anchor.code,
            time: now,
            newest: now,
            keyID: anchor.keyID,
            proof: AuditRow.noCode
        )
        #expect(trail.findings([], .trail(forged)) == [.forgedAnchor])
        #expect(trail.findings([], .piece) == [])
    }

    @Test func anEntryThatWasSealedTwiceIsFound() {
        var trail = trail()
        let entry = trail.entry()
        trail.seal([entry])
        trail.seal([entry])
        #expect(trail.findings() == [.doubled])
    }

    /// Who can write to the database can write any number.
    @Test func numbersAndTimesThatNoGatewayWritesAreFound() {
        let trail = trail()
        let (rows, now) = (trail.rows, Trail.time.now())
        for sequence in [Int64.min, 0, 1 << 62, .max] {
            let changed = [rows[0], rows[1].altered(caller: "alice", sequence: sequence), rows[2]]
            #expect(trail.findings(changed) == [.unreadable, .missing])
            let anchor = AuditAnchor(
                sequence: sequence,
                code: AuditRow.noCode,
                time: now,
                newest: now,
                keyID: trail.key.id,
                proof: []
            )
            #expect(trail.findings(rows, .trail(anchor)) == [.unreadable])
        }
        for milliseconds in [Int64.min, -62_167_219_200_001, 253_402_300_800_000, .max] {
            let time = Timestamp(milliseconds: milliseconds)
            #expect(trail.findings([rows[0], rows[1].altered(time: time)]) == [.unreadable])
            let head = AuditHead(sequence: 99, code: AuditRow.noCode, keyID: trail.key.id, time: time)
            #expect(trail.findings(heads: [head]) == [])
        }
        var verification = AuditVerification(.piece, keys: AuditKeys([trail.key]), heads: [])
        for count in ["9223372036854775807", "9223372036854775807", "-1"] {
            let entry = AuditEntry(
                id: rows[1].entry.id,
                time: now,
                action: .reject,
                outcome: .failed,
                details: ["count": count]
            )
            let row = AuditRow(sequence: 2, entry: entry, previous: [], keyID: trail.key.id, code: [])
            verification.check(row)
        }
        verification.finish()
        #expect(verification.rejected == .max && !verification.isGood)
    }

    @Test func aPieceMayBeginAndEndAnywhere() {
        let trail = trail()
        let piece = Array(trail.rows[2..<6])
        let heads = [AuditHead(trail.rows[0]), AuditHead(trail.rows[4]), AuditHead(trail.rows[8])]
        #expect(trail.findings(piece, .piece, heads: heads) == [])
        #expect(trail.findings([piece[0], piece[2]], .piece) == [.missing])
        #expect(trail.findings([piece[1], piece[0]], .piece) == [.misplaced])
    }

    @Test func findingsAreBounded() {
        let trail = trail(300)
        var verification = AuditVerification(.trail(nil), keys: AuditKeys([]), heads: [])
        for row in trail.rows { verification.check(row) }
        verification.unreadable(301, "column time cannot be read")
        verification.finish()
        #expect(verification.findings.count == AuditVerification.mostFindings && verification.count == 302)
        #expect(verification.rows == 302 && verification.last?.sequence == 301 && !verification.isGood)
    }

    @Test func whatTheGatewayHasRejectedIsTold() {
        var trail = trail()
        trail.seal([trail.entry().altered(), trail.entry().altered()])
        var verification = AuditVerification(.trail(nil), keys: AuditKeys([trail.key]), heads: [])
        for row in trail.rows { verification.check(row) }
        verification.finish()
        #expect(verification.isGood && verification.rejected == 2)
    }
}
