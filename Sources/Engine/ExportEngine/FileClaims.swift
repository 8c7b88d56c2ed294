import ExportLedger
import Exports

/// What is known of one file's bytes, and by which evidence. It takes what callers see and a new reading, and returns what
/// callers see next. No I/O, no clock.
///
/// The rules:
/// - One whole reading claims a size and a digest. The upstream's list claims a size.
/// - What two independent readings agree on is confirmed, also with other readings between them, unless something else was
///   confirmed before. The upstream's own digest is confirmed.
/// - A reading that differs from a claim ends the claim. If its bytes were still delivered whole (it was opened before the
///   claim was made, or the upstream announced its length twice), it becomes the claim. This does not hold if three readings
///   differ from each other: then the upstream generates the file again each time, and nothing is claimed until two agree.
/// - A reading that differs from what is confirmed ends nothing. The next reading that agrees with it, and not with what is
///   confirmed, replaces what is confirmed. A reading in between that agrees with what is confirmed cancels the first one.
struct FileClaims: Sendable, Hashable {
    /// How the claims changed.
    enum Change: Sendable, Hashable {
        /// Nothing new, or nothing that contradicts a claim.
        case none
        /// One reading contradicts a confirmed size or digest.
        case disputed
        /// A claim was dropped; another may have replaced it.
        case dropped
        /// Something confirmed was replaced by what two readings agree on.
        case replaced
    }

    /// What callers see.
    private(set) var file: ExportFile
    /// The readings that may still agree with a later one, oldest first.
    private(set) var readings: [KeptReading]

    /// The most readings that are kept. If nine readings of a file differ, there is no content to agree on.
    static let mostReadings = 8

    init(_ file: ExportFile, readings: [KeptReading]) {
        self.file = file
        self.readings = readings
    }

    /// Applies what the delivery with this id found. A second reading of the same delivery does not count.
    mutating func take(_ reading: FileReading, by delivery: ExportID) -> Change {
        guard reading.fileID == file.id, !readings.contains(where: { $0.delivery == delivery }) else { return .none }
        // The reading only says that the file is longer than a claimed size, and that claim is not valid any more.
        if reading.size == nil, file.size == nil || reading.claimedSize != file.size { return .none }
        let kept = KeptReading(
            fileID: file.id,
            delivery: delivery,
            size: reading.size,
            sha256: reading.sha256
        )
        let otherDigest = file.sha256 != nil && kept.sha256 != nil && kept.sha256 != file.sha256
        let sameDigest = file.sha256 != nil && kept.sha256 == file.sha256
        let otherSize = file.size != nil && kept.size != file.size
        if otherSize && sameDigest {
            // The bytes match the digest, so the size was wrong.
            claim(kept, size: .confirmed, digest: .confirmed)
            return .dropped
        }
        if otherSize || otherDigest { return contradict(kept, otherSize: otherSize, isDelivered: reading.isDelivered) }
        agree(kept)
        return .none
    }

    /// Applies a reading that contradicts nothing.
    private mutating func agree(_ reading: KeptReading) {
        // A reading with the expected length, but without a digest, says nothing new.
        guard reading.size != nil, let digest = reading.sha256 else { return }
        if file.sha256 == digest || readings.contains(where: { $0.sha256 == digest }) {
            return claim(reading, size: .confirmed, digest: .confirmed)
        }
        keep(reading)
        if file.size != nil { file.sizeState = .confirmed }
        guard isWorthAClaim else { return }
        claim(reading, size: file.sizeState ?? .claimed, digest: .claimed)
    }

    private mutating func contradict(_ reading: KeptReading, otherSize: Bool, isDelivered: Bool) -> Change {
        let isConfirmed = file.digestState == .confirmed || (otherSize && file.sizeState == .confirmed)
        if let twin = readings.last(where: { $0.agrees(with: reading, against: file.size) }) {
            if reading.sha256 != nil, twin.sha256 != nil {
                claim(reading, size: .confirmed, digest: .confirmed)
            } else if let read = [reading, twin].first(where: { $0.sha256 != nil }) {
                // For one of the two readings, only the length is known, or only that the file is longer.
                let isSameSize = reading.size != nil && twin.size != nil
                claim(read, size: isSameSize ? .confirmed : .claimed, digest: .claimed)
                readings = [read]
            } else {
                drop()
                if let size = reading.size ?? twin.size {
                    (file.size, file.sizeSource, file.sizeState) = (size, .upstream, .claimed)
                }
                readings = [reading]
            }
            return isConfirmed ? .replaced : .dropped
        }
        keep(reading)
        if isConfirmed { return .disputed }
        let agreedSize = otherSize ? nil : file.size
        if otherSize {
            drop()
        } else {
            (file.sha256, file.digestSource, file.digestState) = (nil, nil, nil)
            file.sizeState = .confirmed
        }
        if isDelivered, isWorthAClaim {
            claim(reading, size: agreedSize == nil ? .claimed : .confirmed, digest: .claimed)
        }
        return .dropped
    }

    /// Whether the latest reading may become the claim: no more than one other reading differs from it.
    private var isWorthAClaim: Bool { Set(readings.compactMap(\.sha256)).count <= 2 }

    /// Makes the reading what callers see. A confirmed reading needs no further evidence.
    private mutating func claim(_ reading: KeptReading, size: ExportFile.State, digest: ExportFile.State) {
        if file.size != reading.size { (file.size, file.sizeSource) = (reading.size, .gateway) }
        if file.sha256 != reading.sha256 { (file.sha256, file.digestSource) = (reading.sha256, .gateway) }
        (file.sizeState, file.digestState) = (size, digest)
        if digest == .confirmed { readings = [] }
    }

    private mutating func drop() {
        (file.size, file.sizeSource, file.sizeState) = (nil, nil, nil)
        (file.sha256, file.digestSource, file.digestState) = (nil, nil, nil)
    }

    private mutating func keep(_ reading: KeptReading) {
        readings.append(reading)
        if readings.count > Self.mostReadings { readings.removeFirst() }
    }
}

extension KeptReading {
    /// Whether two readings that contradict the claimed size may be of the same bytes, as far as both say. A reading without a
    /// size is longer than the claimed size.
    fileprivate func agrees(with other: KeptReading, against claimed: Int64?) -> Bool {
        if size == nil || other.size == nil {
            guard let claimed else { return false }
            return size ?? .max > claimed && other.size ?? .max > claimed
        }
        guard size == other.size else { return false }
        guard let sha256, let digest = other.sha256 else { return true }
        return sha256 == digest
    }
}
