import ExportLedger
import Exports

/// What is known of one file's bytes, and by which evidence: what callers see and a new reading in, what they see next
/// out. No I/O, no clock.
///
/// The rules:
/// - one whole reading claims a size and a digest; the upstream's list claims a size.
/// - what two independent readings agree on is confirmed, wherever others lie between them as long as it was not
///   confirmed before. The upstream's own digest is.
/// - a reading that differs from a claim ends the claim. If its bytes were delivered whole nevertheless (it was opened before
///   the claim was made, or the upstream told its length twice), it becomes the claim itself; unless three readings differ
///   from each other: then the upstream makes the file anew each time, and nothing is claimed until two agree.
/// - a reading that differs from what is confirmed ends nothing. The next one that agrees with it, and not with what is
///   confirmed, replaces that. In between, one that agrees with what is confirmed makes the former count for nothing.
struct FileClaims: Sendable, Hashable {
    /// What became of the claims.
    enum Change: Sendable, Hashable {
        /// Nothing was learned, or something that contradicts nothing.
        case none
        /// A confirmed size or digest stands against one reading.
        case disputed
        /// A claim has fallen; another may have come in its place.
        case dropped
        /// Something confirmed was replaced by what two readings agree on.
        case replaced
    }

    /// What callers see.
    private(set) var file: ExportFile
    /// The readings that may still agree with a later one, oldest first.
    private(set) var readings: [KeptReading]

    /// More than so many are not kept: a file of which nine readings differ has no content to agree on.
    static let mostReadings = 8

    init(_ file: ExportFile, readings: [KeptReading]) {
        self.file = file
        self.readings = readings
    }

    /// Takes what the delivery of this id found. A second reading of the same delivery is none.
    mutating func take(_ reading: FileReading, by delivery: ExportID) -> Change {
        guard reading.fileID == file.id, !readings.contains(where: { $0.delivery == delivery }) else { return .none }
        // It is only known to be longer than a claim that is not made any more.
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
            // The bytes are those of the digest: the word on their number was wrong.
            claim(kept, size: .confirmed, digest: .confirmed)
            return .dropped
        }
        if otherSize || otherDigest { return contradict(kept, otherSize: otherSize, isDelivered: reading.isDelivered) }
        agree(kept)
        return .none
    }

    /// Takes a reading that contradicts nothing.
    private mutating func agree(_ reading: KeptReading) {
        // A length alone that is as expected is no news.
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
                // Of one only the length is known, or no more than that it is longer.
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

    /// Whether the latest reading may be the one that holds: no more than one other differs from it.
    private var isWorthAClaim: Bool { Set(readings.compactMap(\.sha256)).count <= 2 }

    /// Makes the reading what callers see. What is confirmed needs no evidence any more.
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
    /// Whether two readings that contradict a size of so many bytes may be of the same bytes, as far as both tell. One without
    /// a size is of more bytes than that.
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
