import Exports
import Testing
import TestSupport

@testable import DownloadRelay

/// Whatever a client sends as `Range`, and an upstream as `Content-Range`: a part lies within the file, and both are read
/// as a second, slower reader reads them.
@Suite struct RangeFuzzTests {
    static let words = [
        "bytes=", "bytes", "Bytes=", "=", "-", "0-", "-0", "-1", "0-0", "5-9", "9-5", "100-", "-500", ",", ", ", " ",
        "\t",
        "0", "1", "99", "9223372036854775807", "9223372036854775808", "18446744073709551616", "-9223372036854775808",
        "items=", "bytes=0-499", "bytes=-1,5-6", "+1", "0x1", "1e3", "١", "bytes=00-01", "none", "/", "*",
    ]
    static let sizes: [Int64] = [0, 1, 2, 10, 100, 501, .max]

    @Test func readsRangesAsTheReferenceDoes() {
        Fuzzing(executions: 3000)
            .run("Range") { lots in
                (lots.chance(3) ? "" : "bytes=") + lots.text(of: Self.words, most: 6)
            } check: {
                Self.checkRange($0)
            }
    }

    @Test func readsContentRangesAsTheReferenceDoes() {
        let words = Self.words + ["bytes ", "bytes 0-4/5", "bytes 5-9/", "/10", "/*", "bytes */5", " 5-9/10"]
        Fuzzing(executions: 3000)
            .run("Content-Range") { lots in
                (lots.chance(3) ? "" : "bytes ") + lots.text(of: words, most: 6)
            } check: {
                Self.checkContentRange($0)
            }
    }

    /// Fields that once were read in two ways.
    @Test(arguments: [
        "bytes=", "bytes=-", "bytes=--1", "bytes=0-,", "bytes=,0-", "bytes= 0-5", "bytes=0 - 5", "bytes =0-5",
        "bytes=+0-5",
        "bytes=99999999999999999999-", "bytes=0-99999999999999999999", "bytes=-99999999999999999999", "bytes=0-0,1-1",
        "bytes=99999999999999999999-99999999999999999998", "bytes=1-0", "BYTES=0-", "bytes=0-\u{661}",
        "bytes=0-9223372036854775807/*", "bytes=0-9223372036854775806/9223372036854775807",
    ])
    func seeds(field: String) {
        Self.checkRange(field)
        Self.checkContentRange(field.replacing("=", with: " "))
    }

    private static func checkRange(_ field: String) {
        let read = RangeField(field)
        let expected = ReferenceRange(field)
        for size in sizes {
            let part = read?.resolved(in: size)
            #expect((read == nil) == (expected == nil), "\(field.debugDescription)")
            let bounds = expected?.bounds(in: size)
            #expect(part?.first == bounds?.lowerBound, "\(field.debugDescription) of \(size)")
            #expect(part?.last == bounds?.upperBound, "\(field.debugDescription) of \(size)")
            guard let part else { continue }
            #expect(
                part.first >= 0 && part.first <= part.last && part.last < size,
                "\(field.debugDescription) of \(size)"
            )
            #expect(part.count > 0 && part.count <= size, "\(field.debugDescription) of \(size)")
            let told = ContentRange(field: part.contentRange)
            #expect(told == ContentRange(first: part.first, last: part.last, completeLength: size))
        }
    }

    private static func checkContentRange(_ field: String) {
        let read = ContentRange(field: field)
        let form = #/ *[bB][yY][tT][eE][sS] +([0-9]+)-([0-9]+)\/([0-9]+|\*) */#.matchingSemantics(.unicodeScalar)
        guard let match = field.wholeMatch(of: form), let first = Int64(match.output.1),
            let last = Int64(match.output.2),
            first <= last, last < .max, match.output.3 == "*" || Int64(match.output.3).map({ last < $0 }) == true
        else {
            #expect(read == nil, "\(field.debugDescription)")
            return
        }
        #expect(
            read == ContentRange(first: first, last: last, completeLength: Int64(match.output.3)),
            "\(field.debugDescription)"
        )
    }
}

/// RFC 9110, 14.1.1 and 14.1.2, by regular expressions and with numbers of any length.
struct ReferenceRange {
    private let first: String?
    private let last: String?

    /// Nil where the field is to be ignored: no range of bytes, or several.
    init?(_ field: String) {
        let form = #/[ \t]*[bB][yY][tT][eE][sS][ \t]*=((?:[ \t]*,)*)[ \t]*([0-9]*)-([0-9]*)[ \t]*(?:,[ \t]*)*/#
            .matchingSemantics(.unicodeScalar)
        guard let match = field.wholeMatch(of: form) else { return nil }
        first = match.output.2.isEmpty ? nil : Self.canonical(match.output.2)
        last = match.output.3.isEmpty ? nil : Self.canonical(match.output.3)
        if first == nil, last == nil { return nil }
        if let first, let last, Self.isLess(last, first) { return nil }
    }

    func bounds(in size: Int64) -> ClosedRange<Int64>? {
        guard size > 0 else { return nil }
        guard let first else {
            guard let last, last != "0" else { return nil }
            let count = Int64(last).map { min($0, size) } ?? size
            return (size - count)...(size - 1)
        }
        guard let start = Int64(first), start < size else { return nil }
        return start...(last.map { Int64($0).map { min($0, size - 1) } ?? size - 1 } ?? size - 1)
    }

    /// Without zeros in front; a number that is too large for any file is the largest.
    private static func canonical(_ digits: Substring) -> String {
        let rest = String(digits.drop { $0 == "0" })
        let largest = String(Int64.max)
        return rest.isEmpty ? "0" : isLess(largest, rest) ? largest : rest
    }

    private static func isLess(_ left: String, _ right: String) -> Bool {
        left.count == right.count ? left < right : left.count < right.count
    }
}
