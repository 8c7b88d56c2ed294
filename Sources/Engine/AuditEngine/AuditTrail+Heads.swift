import Audit
import ExportLedger
import Exports
import Logging
import Synchronization

// Telling the end of the chain, and noticing that what was told is not there any more.
extension AuditTrail {
    /// Tells the end of the chain, where it is another one than was told last. Before that, it looks whether this process can
    /// have left the chain as it is: what is not so is logged at `error`, and counted.
    ///
    /// A last row that was not sealed with one of the keys is not told. One with a lower number than was told before is, after
    /// the error: the chain goes on from there.
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
            metrics.isTampered()
            logger.error("the audit trail is not as it was told", metadata: finding.metadata)
        }
        guard let head = found.head else { return }
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

    /// The end of the chain, where a key of the gateway has sealed it; and what is wrong with it, or with the row that was told
    /// last.
    private func readHead() async throws -> (head: AuditHead?, findings: [AuditFinding]) {
        let told = told.withLock { $0 }
        var findings: [AuditFinding] = []
        guard let head = try await store.auditHead() else {
            if let told { findings.append(.endMissing(told, "there is no row")) }
            return (nil, findings)
        }
        if let told {
            if head.sequence < told.sequence {
                findings.append(.endMissing(told, "the last row is \(head.sequence)"))
            } else if let finding = try await lookAt(told) {
                findings.append(finding)
            }
        }
        let last = try await store.auditRows(after: head.sequence - 1, limit: 1).rows.first
        guard let last, last.sequence == head.sequence, keys.all.haveSealed(last) else {
            findings.append(
                AuditFinding(
                    kind: .altered,
                    sequence: head.sequence,
                    detail: "the last row is not as one of the keys has sealed it"
                )
            )
            return (nil, findings)
        }
        return (AuditHead(last), findings)
    }

    /// What is wrong with the row that was told; nil where it is there as it was told, or was deleted because of its age.
    private func lookAt(_ told: AuditHead) async throws -> AuditFinding? {
        let found = try await store.auditRows(after: told.sequence - 1, limit: 1)
        if let row = found.rows.first, row.sequence == told.sequence {
            guard row.code != told.code else { return nil }
            return AuditFinding(kind: .otherHead, sequence: told.sequence, detail: "the row has another HMAC")
        }
        // Read after the row, so that a deletion between both is not missed.
        if let anchor = try await store.auditAnchor(), anchor.sequence >= told.sequence, keys.all.haveMade(anchor) {
            return nil
        }
        return AuditFinding(kind: .missing, sequence: told.sequence, detail: "the row that was told cannot be read")
    }
}

extension AuditFinding {
    fileprivate static func endMissing(_ told: AuditHead, _ detail: String) -> AuditFinding {
        AuditFinding(kind: .endMissing, sequence: told.sequence, detail: "\(detail), and this row was told")
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
