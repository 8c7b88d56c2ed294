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

    private static let local = Array("PK\u{3}\u{4}".utf8)
    private static let compound: [UInt8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]
    private static func utf16(_ text: String) -> [UInt8] { [0xFF, 0xFE] + text.utf8.flatMap { [$0, 0] } }

    private static let right: [(FileFormat, [UInt8])] = [
        (.zip, local + Array("rest".utf8)), (.zip, Array("PK\u{5}\u{6}".utf8)),
        (.zip, Array("PK\u{7}\u{8}".utf8) + local), (.zip, Array("PK00".utf8) + local),
        (.officeOpenXML, local), (.officeOpenXML, compound), (.msg, compound),
        (.pdf, Array("%PDF-1.7".utf8)), (.pdf, [0xEF, 0xBB, 0xBF] + Array("%PDF-1.7".utf8)),
        (.pdf, Array("\r\n%PDF-2.0".utf8)), (.pdf, Array(repeating: 0x20, count: 1023) + Array("%PDF-".utf8)),
        (.png, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 1]), (.tiff, [0x49, 0x49, 42, 0]),
        (.tiff, [0x4D, 0x4D, 0, 43]), (.jpeg, [0xFF, 0xD8, 0xFF, 0xE0]), (.gif, Array("GIF89a".utf8)),
        (.bmp, Array("BM".utf8)), (.emf, [1, 0, 0, 0, 88]), (.pst, Array("!BDN".utf8)),
        (.xml, Array("<?xml version=\"1.0\"?><Report/>".utf8)), (.xml, Array("\u{FEFF} <Report/>".utf8)),
        (.xml, utf16("<?xml version=\"1.0\"?><Report/>")), (.xml, Array("<Errors><Code>1</Code></Errors>".utf8)),
        (.xml, Array("<!-- <html> --><Report/>".utf8)), (.xml, Array("<headline/>".utf8)),
        (.mhtml, Array("MIME-Version: 1.0\r\n".utf8)), (.mhtml, Array("\r\nFrom: <Saved>\r\n".utf8)),
        (.csv, []), (.csv, Array("The service is busy.".utf8)), (.csv, Array("a,b\n1,2\n".utf8)),
        (.csv, Array("{a},b\n".utf8)), (.csv, Array("{\"name\": 1}".utf8)), (.csv, Array("<none>,b".utf8)),
        (.csv, Array("{\"error\"},b".utf8)), (.csv, utf16("a,b")), (.text, Array("<?xml version=\"1.0\"?><a/>".utf8)),
        (.csv, Array("{".utf8)), (.csv, Array("<".utf8)), (.csv, Array("<error>,b\n".utf8)),
    ]

    @Test(arguments: [1, 2, 7, 5000]) func whatFitsIsTaken(pieces: Int) {
        for (format, bytes) in Self.right {
            #expect(fault(format, bytes, pieces: pieces) == nil, "\(format), \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    private static let page = Array("<!DOCTYPE HTML><html><body>Sign in</body></html>".utf8)
    private static let object = Array("\u{FEFF}{ \"error\" : {\"code\":\"X\"}}".utf8)
    private static let storage = Array("<?xml version=\"1.0\"?>\n<Error><Code>ServerBusy</Code></Error>".utf8)

    @Test(arguments: [1, 2, 7, 5000]) func excusesAreRefusedAsEveryFormat(pieces: Int) {
        let formats: [FileFormat] = [
            .zip, .officeOpenXML, .pdf, .png, .tiff, .jpeg, .gif, .bmp, .emf, .pst, .msg, .xml, .mhtml, .csv, .text,
        ]
        for format in formats {
            for excuse in [Self.page, Self.object, Self.storage, Array("{\"Message\":\"No.\"}".utf8)] {
                #expect(fault(format, excuse, pieces: pieces) != nil, "\(format)")
            }
        }
    }

    @Test(arguments: [1, 5000]) func whatHasAnotherSignatureIsRefused(pieces: Int) {
        let wrong: [(FileFormat, [UInt8])] = [
            (.zip, Array("PK\u{1}\u{2}".utf8)), (.zip, []), (.zip, Array("PK".utf8)), (.zip, Array("PK00".utf8)),
            (.zip, Array("PK\u{7}\u{8}PK\u{5}\u{6}".utf8)), (.pdf, Array("%PDF".utf8)), (.pdf, []),
            (.pdf, Array(repeating: 0x20, count: 1024) + Array("%PDF-".utf8)),
            (.officeOpenXML, Array("PK\u{5}\u{6}".utf8)), (.png, Array("GIF89a".utf8)), (.xml, []),
            (.xml, Array("Busy".utf8)), (.mhtml, []), (.mhtml, Array("Service busy: wait".utf8)),
            (.csv, Array("<html lang=en>".utf8)), (.csv, Array("<?xml version=\"1.0\"?><Report/>".utf8)),
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
