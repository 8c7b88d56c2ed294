import Testing

@testable import DownloadRelay

/// What may stand in a file's place, and what a format allows.
@Suite struct FormatCheckTests {
    /// The fault that is found in `bytes` when they come in pieces of `count`.
    private func fault(_ format: FileFormat, _ bytes: [UInt8], type: String? = nil, pieces count: Int) -> String? {
        var check = FormatCheck(format, mediaType: type)
        for start in stride(from: 0, to: bytes.count, by: count) {
            if let fault = check.add(bytes[start..<min(bytes.count, start + count)]) { return fault }
        }
        return check.finish()
    }

    private static func text(_ parts: String...) -> [UInt8] { parts.flatMap { Array($0.utf8) } }
    private static func joined(_ parts: [UInt8]...) -> [UInt8] { parts.flatMap { $0 } }
    private static func utf16(_ text: String) -> [UInt8] { joined([0xFF, 0xFE], text.utf8.flatMap { [$0, 0] }) }
    private static func blanks(_ count: Int) -> [UInt8] { Array(repeating: 0x20, count: count) }
    private static let local = text("PK\u{3}\u{4}")
    private static let compound: [UInt8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]
    private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private static let binaries: [(FileFormat, [UInt8])] = [
        (.zip, joined(local, text("rest"))), (.zip, text("PK\u{5}\u{6}")),
        (.zip, joined(text("PK\u{7}\u{8}"), local)), (.zip, joined(text("PK00"), local)),
        (.officeOpenXML, local), (.officeOpenXML, compound), (.msg, compound),
        (.pdf, text("%PDF-1.7")), (.pdf, joined(mark, text("%PDF-1.7"))), (.pdf, text("\r\n%PDF-2.0")),
        (.pdf, joined(blanks(1023), text("%PDF-"))),
        (.png, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 1]), (.tiff, [0x49, 0x49, 42, 0]),
        (.tiff, [0x4D, 0x4D, 0, 43]), (.jpeg, [0xFF, 0xD8, 0xFF, 0xE0]), (.gif, text("GIF89a")),
        (.bmp, text("BM")), (.emf, [1, 0, 0, 0, 88]), (.pst, text("!BDN")),
    ]

    private static let texts: [(FileFormat, [UInt8])] = [
        (.xml, text("<?xml version=\"1.0\"?><Report/>")), (.xml, text("\u{FEFF} <Report/>")),
        (.xml, utf16("<?xml version=\"1.0\"?><Report/>")), (.xml, text("<Errors><Code>1</Code></Errors>")),
        (.xml, text("<!-- <html> --><Report/>")), (.xml, text("<headline/>")),
        (.mhtml, text("MIME-Version: 1.0\r\n")), (.mhtml, text("\r\nFrom: <Saved>\r\n")),
        (.csv, []), (.csv, text("The service is busy.")), (.csv, text("a,b\n1,2\n")),
        (.csv, text("{a},b\n")), (.csv, text("{\"name\": 1}")), (.csv, text("<none>,b")),
        (.csv, text("{\"error\"},b")), (.csv, utf16("a,b")), (.text, text("<?xml version=\"1.0\"?><a/>")),
        (.csv, text("{")), (.csv, text("<")), (.csv, text("<error>,b\n")),
    ]

    @Test(arguments: [1, 2, 7, 5000]) func whatFitsIsTaken(pieces: Int) {
        for (format, bytes) in Self.binaries + Self.texts {
            #expect(fault(format, bytes, pieces: pieces) == nil, "\(format), \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    private static let substitutes: [[UInt8]] = [
        text("<!DOCTYPE HTML><html><body>Sign in</body></html>"),
        text("\u{FEFF}{ \"error\" : {\"code\":\"X\"}}"),
        text("<?xml version=\"1.0\"?>\n<Error><Code>ServerBusy</Code></Error>"),
        text("{\"Message\":\"No.\"}"),
    ]

    @Test(arguments: [1, 2, 7, 5000]) func substitutesAreRefusedAsEveryFormat(pieces: Int) {
        let formats: [FileFormat] = [
            .zip, .officeOpenXML, .pdf, .png, .tiff, .jpeg, .gif, .bmp, .emf, .pst, .msg, .xml, .mhtml, .csv, .text,
        ]
        for format in formats {
            for substitute in Self.substitutes {
                #expect(fault(format, substitute, pieces: pieces) != nil, "\(format)")
            }
        }
    }

    @Test(arguments: [1, 5000]) func whatHasAnotherSignatureIsRefused(pieces: Int) {
        let wrong: [(FileFormat, [UInt8])] = [
            (.zip, Self.text("PK\u{1}\u{2}")), (.zip, []), (.zip, Self.text("PK")), (.zip, Self.text("PK00")),
            (.zip, Self.text("PK\u{7}\u{8}PK\u{5}\u{6}")), (.pdf, Self.text("%PDF")), (.pdf, []),
            (.pdf, Self.joined(Self.blanks(1024), Self.text("%PDF-"))),
            (.officeOpenXML, Self.text("PK\u{5}\u{6}")), (.png, Self.text("GIF89a")), (.xml, []),
            (.xml, Self.text("Busy")), (.mhtml, []), (.mhtml, Self.text("Service busy: wait")),
            (.csv, Self.text("<html lang=en>")), (.csv, Self.text("<?xml version=\"1.0\"?><Report/>")),
        ]
        for (format, bytes) in wrong {
            #expect(fault(format, bytes, pieces: pieces) != nil, "\(format), \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    @Test func whatTheUpstreamCallsJSONIsNoTable() {
        let rows = Array("[{\"a\":1}]".utf8)
        #expect(fault(.csv, rows, type: "application/json; charset=utf-8", pieces: 3) != nil)
        #expect(fault(.csv, rows, type: "text/csv", pieces: 3) == nil)
        #expect(fault(.csv, Array("{\"a\":1}".utf8), type: "application/problem+json", pieces: 3) != nil)
        #expect(fault(.csv, Array("a,b".utf8), type: "application/json", pieces: 3) == nil)
    }

    @Test func noMoreIsKeptThanIsLookedAt() {
        var check = FormatCheck(.pdf, mediaType: nil)
        #expect(check.add(Array(repeating: 0x20, count: 1028)) == nil)
        #expect(!check.isSettled)
        #expect(check.add(Array(repeating: 0x20, count: 1 << 20)) != nil)
    }
}
