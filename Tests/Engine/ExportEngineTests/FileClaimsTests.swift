import ExportLedger
import Exports
import Testing

@testable import ExportEngine

/// A file's claims outside any engine.
private struct Claimed {
    var claims: FileClaims
    private var deliveries = 0

    init(_ file: ExportFile = ExportFile(id: "1", name: "a.csv")) { claims = FileClaims(file, readings: []) }

    var file: ExportFile { claims.file }

    /// What a delivery of its own finds.
    @discardableResult
    mutating func read(
        _ size: Int64?,
        _ digest: String?,
        isDelivered: Bool = true,
        openedAs file: ExportFile? = nil,
        delivery: Int? = nil
    ) -> FileClaims.Change {
        deliveries += 1
        let reading = FileReading(of: file ?? self.file, size: size, sha256: digest, isDelivered: isDelivered)
        return claims.take(reading, by: Self.id(delivery ?? deliveries))
    }

    static func id(_ number: Int) -> ExportID {
        // An id takes the upper 62 bits of a number.
        var generator = Constant(value: UInt64(number) << 8)
        return ExportID(at: Timestamp(milliseconds: 1_780_000_000_000), random: &generator)
    }

    private struct Constant: RandomNumberGenerator {
        var value: UInt64
        mutating func next() -> UInt64 { value }
    }
}

@Suite struct FileClaimsTests {
    @Test func oneReadingClaimsAndAnotherConfirms() {
        var file = Claimed()
        #expect(file.read(5, "a") == .none)
        #expect(file.file.size == 5 && file.file.sizeSource == .gateway && file.file.sizeState == .claimed)
        #expect(file.file.sha256 == "a" && file.file.digestSource == .gateway && file.file.digestState == .claimed)
        #expect(file.read(5, "a") == .none)
        #expect(file.file.sizeState == .confirmed && file.file.digestState == .confirmed)
        #expect(file.claims.readings.isEmpty)
    }

    @Test func oneDeliveryIsOneReading() {
        var file = Claimed()
        file.read(5, "a", delivery: 7)
        file.read(5, "a", delivery: 7)
        #expect(file.file.digestState == .claimed)
    }

    @Test func theListsWordAndOneReadingConfirmTheSizeAlone() {
        var file = Claimed(ExportFile(id: "1", name: "a", size: 5))
        file.read(5, "a")
        #expect(file.file.sizeSource == .upstream && file.file.sizeState == .confirmed)
        #expect(file.file.digestState == .claimed)
    }

    @Test func theUpstreamsDigestIsConfirmed() {
        var file = Claimed(ExportFile(id: "1", name: "a", sha256: "a"))
        #expect(file.read(5, "b", isDelivered: false) == .disputed)
        #expect(file.file.sha256 == "a")
        file.read(5, "a")
        #expect(file.file.size == 5 && file.file.sizeState == .confirmed && file.file.digestSource == .upstream)
        // Its bytes are there, and the list told another number of them.
        var sized = Claimed(ExportFile(id: "1", name: "a", size: 9, sha256: "a"))
        #expect(sized.read(5, "a") == .dropped)
        #expect(sized.file.size == 5 && sized.file.digestSource == .upstream)
    }

    @Test func aBrokenDeliveryEndsAClaimAndTheNextDelivers() {
        var file = Claimed()
        file.read(5, "a")
        #expect(file.read(7, "b", isDelivered: false) == .dropped)
        #expect(file.file == ExportFile(id: "1", name: "a.csv"))
        file.read(7, "b")
        #expect(file.file.size == 7 && file.file.digestState == .confirmed)
    }

    @Test func ofTheSameLengthOnlyTheDigestFalls() {
        var file = Claimed()
        file.read(5, "a")
        #expect(file.read(5, "b", isDelivered: false) == .dropped)
        #expect(file.file.size == 5 && file.file.sizeState == .confirmed && file.file.sha256 == nil)
    }

    @Test func whatWasDeliveredAgainstAClaimIsTheNext() {
        // Both were opened before anything was known.
        let unknown = ExportFile(id: "1", name: "a.csv")
        var file = Claimed()
        file.read(5, "a", openedAs: unknown)
        #expect(file.read(7, "b", openedAs: unknown) == .dropped)
        #expect(file.file.size == 7 && file.file.sha256 == "b" && file.file.digestState == .claimed)
        file.read(5, "a", isDelivered: false)
        #expect(file.file.sha256 == "a" && file.file.digestState == .confirmed)
    }

    @Test func whatDiffersEachTimeIsNotClaimed() {
        var file = Claimed()
        var broken = 0
        for number in 0..<20 {
            let isHeld = file.file.sha256 != nil
            if isHeld { broken += 1 }
            file.read(Int64(number), "\(number)", isDelivered: !isHeld)
        }
        #expect(broken == 1)
        #expect(file.file.size == nil && file.file.sha256 == nil)
        #expect(file.claims.readings.count == FileClaims.mostReadings)
        // Two that agree count at once.
        file.read(19, "19")
        #expect(file.file.digestState == .confirmed)
    }

    private func confirmed() -> Claimed {
        var file = Claimed()
        file.read(5, "a")
        file.read(5, "a")
        return file
    }

    @Test func twoThatAgreeReplaceWhatWasConfirmed() {
        var file = confirmed()
        #expect(file.read(7, "b", isDelivered: false) == .disputed)
        #expect(file.file.sha256 == "a" && file.file.digestState == .confirmed)
        #expect(file.read(8, "c", isDelivered: false) == .disputed)
        #expect(file.read(7, "b", isDelivered: false) == .replaced)
        #expect(file.file.size == 7 && file.file.sha256 == "b" && file.file.digestState == .confirmed)
    }

    @Test func oneThatAgreesWithWhatIsConfirmedClearsTheOthers() {
        var file = confirmed()
        file.read(7, "b", isDelivered: false)
        file.read(5, "a")
        #expect(file.read(7, "b", isDelivered: false) == .disputed)
        #expect(file.file.sha256 == "a")
    }

    @Test func twoAnnouncedLengthsOutweighWhatWasConfirmed() {
        var file = confirmed()
        #expect(file.read(7, nil, isDelivered: false) == .disputed)
        #expect(file.read(7, nil, isDelivered: false, delivery: 3) == .none)
        #expect(file.read(7, nil, isDelivered: false) == .replaced)
        #expect(file.file.size == 7 && file.file.sizeState == .claimed && file.file.sha256 == nil)
        file.read(7, "b")
        #expect(file.file.sizeState == .confirmed && file.file.digestState == .claimed)
    }

    @Test func bytesThatRunOverEndTheClaimThatTheyWereHeldAgainst() {
        var file = Claimed()
        file.read(5, "a")
        let then = file.file
        #expect(file.read(nil, nil, isDelivered: false) == .dropped)
        #expect(file.file.size == nil && file.file.sha256 == nil)
        // A download that was opened under the same claim says nothing new.
        #expect(file.read(nil, nil, isDelivered: false, openedAs: then) == .none)
        file.read(7, "b")
        #expect(file.read(nil, nil, isDelivered: false, openedAs: then) == .none)
        #expect(file.file.sha256 == "b")

        var held = confirmed()
        #expect(held.read(nil, nil, isDelivered: false) == .disputed)
        // It is longer, and has so many bytes: that agrees.
        #expect(held.read(7, nil, isDelivered: false) == .replaced)
        #expect(held.file.size == 7)
        var shorter = confirmed()
        shorter.read(nil, nil, isDelivered: false)
        #expect(shorter.read(3, nil, isDelivered: false) == .disputed)
    }
}
