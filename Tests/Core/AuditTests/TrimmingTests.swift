import Audit
import Exports
import ManualClock
import Testing

/// Which of the oldest rows are deleted: only those that are as the gateway has sealed them.
@Suite struct TrimmingTests {
    private static let day = Duration.seconds(86_400)
    private static let now = Trail.time.now()
    private static let later = now + .seconds(30 * 86_400)

    private func trail(_ count: Int = 8) -> Trail {
        var trail = Trail()
        trail.seal((0..<count).map { _ in trail.entry() })
        return trail
    }

    /// What becomes of rows that are looked at `later`, and are deleted after a day.
    private func trim(
        _ trail: Trail,
        _ rows: [AuditRow],
        after anchor: AuditAnchor? = nil,
        unreadable: Int64? = nil,
        key: AuditKey? = nil,
        at time: Timestamp = TrimmingTests.later
    ) throws -> AuditTrimming {
        let head = AuditHead(try #require(trail.rows.last))
        var chain = AuditChain(
            after: head,
            key: key ?? trail.key,
            olderKeys: [],
            at: time,
            random: Randomness { .random(in: .min ... .max) }
        )
        let oldest = AuditOldest(head: head, anchor: anchor, rows: rows, unreadable: unreadable)
        return chain.trim(oldest, before: time + (.zero - Self.day))
    }

    @Test func whatIsLeftIsWhole() throws {
        let trail = trail()
        let first = try #require(try trim(trail, Array(trail.rows.prefix(5))).deletion)
        #expect(first.count == 5 && first.last == 5 && first.anchor.newest == Self.now)
        #expect(first.rows.map(\.entry.action) == [.trim])
        var rest = trail
        rest.rows = trail.rows.dropFirst(5) + first.rows
        #expect(rest.findings(nil, .trail(first.anchor)) == [])
        // The end of the chain stays, and the next deletion goes on after the anchor.
        let second = try #require(try trim(rest, rest.rows, after: first.anchor).deletion)
        #expect(second.count == 4 && second.last == 9)
    }

    @Test func whatIsNotOldStays() throws {
        let trail = trail()
        let young = try trim(trail, trail.rows, at: Self.now)
        #expect(young.deletion == nil && young.finding == nil)
        #expect(try trim(trail, []).finding == nil)
    }

    /// Whoever cannot make a code makes the gateway delete nothing, and prove nothing.
    @Test func whatWasChangedIsRefused() throws {
        let trail = trail()
        func found(
            at time: Timestamp = TrimmingTests.later,
            _ change: (inout [AuditRow]) -> Void
        ) throws -> AuditFinding.Kind? {
            var rows = trail.rows
            change(&rows)
            return try trim(trail, rows, at: time).finding
        }
        let long = Timestamp(milliseconds: 0)
        #expect(try found(at: Self.now) { rows in rows = rows.map { $0.altered(time: long) } } == .altered)
        #expect(try found { $0[2] = $0[2].altered() } == .altered)
        // It would keep all others for good.
        #expect(try found { $0[0] = $0[0].altered(time: Self.later + Self.day) } == .altered)
        #expect(try found { $0.remove(at: 2) } == .missing)
        #expect(try found { $0.removeFirst() } == .beginningMissing)
        #expect(try found { $0[2] = $0[2].altered(caller: "alice", previous: AuditRow.noCode) } == .broken)
        #expect(try trim(trail, Array(trail.rows.prefix(2)), unreadable: 3).finding == .unreadable)
        #expect(try trim(trail, trail.rows, key: Trail.key(9)).finding == .unknownKey)
    }

    @Test func theAnchorIsProved() throws {
        let trail = trail()
        let rest = Array(trail.rows.dropFirst(3))
        let anchor = trail.key.anchor(trail.rows[2], newest: Self.now, at: Self.now)
        #expect(try trim(trail, rest, after: anchor).deletion?.count == 5)
        #expect(try trim(trail, rest).finding == .beginningMissing)
        let forged = AuditAnchor(
            sequence: 3,
            code: trail.rows[2].code,
            time: Self.now,
            newest: Self.now,
            keyID: trail.key.id,
            proof: AuditRow.noCode
        )
        #expect(try trim(trail, rest, after: forged).finding == .forgedAnchor)
        let other = trail.key.anchor(trail.rows[1], newest: Self.now, at: Self.now)
        #expect(try trim(trail, rest, after: other).finding == .beginningMissing)
    }

    @Test func aRowOfTheFutureIsAsOldAsTheNextOne() throws {
        var trail = Trail()
        let ahead = trail.entry(at: Self.later + Self.day)
        trail.seal([trail.entry(), ahead, trail.entry(), trail.entry()])
        let deletion = try #require(try trim(trail, Array(trail.rows.prefix(4))).deletion)
        // New entries are not taken for copies of it.
        #expect(deletion.count == 4 && deletion.anchor.newest == Self.now)
        #expect(try trim(trail, Array(trail.rows.prefix(3))).deletion?.count == 2)
    }

    /// Those after them say how old they are.
    @Test func rowsOfTheFutureAloneDecideNothing() throws {
        var trail = Trail()
        trail.seal([trail.entry()])
        let anchor = trail.key.anchor(trail.rows[1], newest: Self.now, at: Self.now)
        let ahead = Self.later + Self.day
        trail.seal([trail.entry(at: ahead), trail.entry(at: ahead), trail.entry(), trail.entry()])
        let rest = Array(trail.rows.dropFirst(2))
        #expect(try trim(trail, Array(rest.prefix(2)), after: anchor).isUndecided)
        #expect(try trim(trail, Array(rest.prefix(3)), after: anchor).deletion?.count == 3)
        var altered = rest
        altered[1] = altered[1].altered()
        #expect(try trim(trail, Array(altered.prefix(2)), after: anchor).finding == .altered)
    }

    /// Otherwise each deletion would lead to the next one.
    @Test func rowsAboutDeletionsAloneStay() throws {
        let trail = trail()
        let first = try #require(try trim(trail, trail.rows).deletion)
        #expect(first.count == 8)
        var rest = trail
        rest.rows = trail.rows.dropFirst(8) + first.rows
        let second = try #require(try trim(rest, rest.rows, after: first.anchor, at: Self.later + Self.day).deletion)
        rest.rows = first.rows + second.rows
        let later = Self.later + Self.day + Self.day + Self.day
        let third = try trim(rest, rest.rows, after: second.anchor, at: later)
        #expect(third.deletion == nil && third.finding == nil && !third.isUndecided)
        // They may hide others, and become fewer.
        #expect(try trim(rest, first.rows, after: second.anchor, at: later).deletion?.count == 1)
        let moment = Self.later + Self.day
        rest.seal([rest.entry(at: moment), rest.entry(at: moment)], after: second.anchor)
        let fourth = try trim(rest, rest.rows, after: second.anchor, at: later)
        #expect(fourth.deletion?.count == 3)
    }
}

extension AuditTrimming {
    fileprivate var isUndecided: Bool { if case .undecided = self { true } else { false } }
    fileprivate var deletion: AuditDeletion? { if case .deletion(let deletion) = self { deletion } else { nil } }
    fileprivate var finding: AuditFinding.Kind? { if case .refused(let finding) = self { finding.kind } else { nil } }
}
