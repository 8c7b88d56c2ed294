import Audit
import ExportLedger
import Exports
import Logging
import Synchronization

// Telling the end of the chain, and noticing that what was told is not there any more.
extension AuditTrail {
    /// Tells the end of the chain, where it is another one than was told last. Before that, it looks whether this process can
    /// have left the chain as it is: the row that was told last, and the one that was seen last, sealed here or by others. What
    /// is not so is logged at `error`, and counted.
    ///
    /// A last row that was not sealed with one of the keys is not told. One with a lower number than before is, after the error:
    /// the chain goes on from there.
    func tellHead() async {
        let found: (head: AuditHead?, findings: [AuditFinding])
        do {
            found = try await readHead()
        } catch {
            metrics.told(.failed)
            logger.error("the end of the audit trail cannot be read", metadata: ["error": "\(error)"])
            return
        }
        for finding in found.findings {
            guard finding.kind != .unknownKey else {
                logger.error(
                    "no head of the audit trail is told: its last row has a key that is not in audit.otherKeys",
                    metadata: finding.metadata
                )
                continue
            }
            metrics.isTampered()
            logger.error("the audit trail is not as it was told", metadata: finding.metadata)
        }
        guard let head = found.head else { return }
        seen.withLock { $0 = head }
        let isTold = told.withLock { told in told?.sequence == head.sequence && told?.code == head.code }
        guard !isTold else { return }
        let now = AuditHead(sequence: head.sequence, code: head.code, keyID: head.keyID, time: time.now())
        logger.notice("audit head", metadata: now.metadata)
        for sink in sinks { sink.take(now) }
        guard headFile?.append(now) ?? true else {
            metrics.told(.failed)
            // Told again at the next interval.
            return logger.error("a head of the audit trail could not be appended to audit.heads.file")
        }
        told.withLock { $0 = now }
        metrics.told(.told)
    }

    /// The end of the chain, where a key of the gateway has sealed it; and what is wrong with it, or with the rows that were told
    /// and seen last.
    private func readHead() async throws -> (head: AuditHead?, findings: [AuditFinding]) {
        let (told, seen) = (told.withLock { $0 }, seen.withLock { $0 })
        let isSame = told?.sequence == seen?.sequence && told?.code == seen?.code
        let former = [told, isSame ? nil : seen].compactMap { $0 }
        var findings: [AuditFinding] = []
        guard let head = try await store.auditHead() else {
            return (nil, former.map { AuditFinding.endMissing($0, "there is no row") })
        }
        for row in former {
            if head.sequence < row.sequence {
                findings.append(.endMissing(row, "the last row is \(head.sequence)"))
            } else if let finding = try await lookAt(row) {
                findings.append(finding)
            }
        }
        let last = try await store.auditRows(after: head.sequence - 1, limit: 1).rows.first
        if let finding = lookAt(last: last, of: head) { return (nil, findings + [finding]) }
        return (last.map { AuditHead($0) }, findings)
    }

    /// What is wrong with the last row; nil where one of the keys has sealed it. A key that is not known says nothing of the row:
    /// after a change of keys, there may be none of the new key yet.
    private func lookAt(last row: AuditRow?, of head: AuditHead) -> AuditFinding? {
        let altered = AuditFinding(
            kind: .altered,
            sequence: head.sequence,
            detail: "the last row is not as one of the keys has sealed it"
        )
        guard let row, row.sequence == head.sequence else { return altered }
        guard let key = keys.all[row.keyID] else {
            let detail = "the last row was sealed with the key \(row.keyID.prefix(64))"
            return AuditFinding(kind: .unknownKey, sequence: head.sequence, detail: detail)
        }
        return key.hasSealed(row) ? nil : altered
    }

    /// What is wrong with a row that was told or seen; nil where it is there as it was, or was deleted because of its age.
    func lookAt(_ told: AuditHead) async throws -> AuditFinding? {
        let found = try await store.auditRows(after: told.sequence - 1, limit: 1)
        if let row = found.rows.first, row.sequence == told.sequence {
            guard row.code != told.code else { return nil }
            return AuditFinding(kind: .otherHead, sequence: told.sequence, detail: "the row has another HMAC")
        }
        // Read after the row, so that a deletion between both is not missed.
        if let anchor = try await provedAnchor(), anchor.sequence >= told.sequence { return nil }
        return AuditFinding(kind: .missing, sequence: told.sequence, detail: "the row cannot be read")
    }

    /// Nil also for an anchor that cannot be read: it proves nothing.
    private func provedAnchor() async throws -> AuditAnchor? {
        do {
            guard let anchor = try await store.auditAnchor(), keys.all.haveMade(anchor) else { return nil }
            return anchor
        } catch let error as LedgerError where error.row != nil {
            return nil
        }
    }
}

extension AuditFinding {
    fileprivate static func endMissing(_ told: AuditHead, _ detail: String) -> AuditFinding {
        AuditFinding(kind: .endMissing, sequence: told.sequence, detail: "\(detail), and this row was there")
    }

    /// For the log.
    var metadata: Logger.Metadata {
        ["finding": "\(kind.rawValue)", "row": "\(sequence.map(String.init) ?? "-")", "detail": "\(detail)"]
    }
}

extension AuditHead {
    /// The names are those of its line, so that a head can be taken from a log.
    fileprivate var metadata: Logger.Metadata {
        ["sequence": "\(sequence)", "keyId": "\(keyID)", "hmac": "\(codeText)"]
    }
}
