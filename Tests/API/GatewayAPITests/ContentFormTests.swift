import Exports
import Testing

@testable import GatewayAPI

@Suite struct ContentFormTests {
    private let one = [ExportFile(id: "1", name: "a.csv", contentType: "text/csv; charset=utf-8")]
    private let several = [ExportFile(id: "1", name: "a"), ExportFile(id: "2", name: "b")]
    private let zipped = [ExportFile(id: "1", name: "a.zip", contentType: "application/zip")]

    @Test(arguments: [
        nil, "", "*/*", "application/*", "text/html", "application/octet-stream", "application/zip;q=0",
        "application/zip; q=0.000, */*", "application/zipped", "zip", "application/x-zip-compressed",
        "\"application/zip\"",
    ])
    func onlyWhoNamesTheArchiveGetsIt(_ accept: String?) {
        for files in [one, several, zipped] { #expect(ContentForm(accept: accept, files: files) == .file) }
    }

    @Test(arguments: [
        "application/zip", "APPLICATION/ZIP", "application/zip;q=0.001", "application/zip, */*", "*/*, application/zip",
        "application/zip;q=0.5, */*;q=0.5", "application/zip, */*;q=0.8", "application/zip;q=0.9, text/csv;q=0.8",
        "application/zip;level=0;q=0.5", "text/html, application/zip;q=0.9",
    ])
    func whoNamesItGetsIt(_ accept: String) {
        for files in [one, several, zipped] { #expect(ContentForm(accept: accept, files: files) == .archive) }
    }

    @Test(arguments: [
        "application/zip, application/octet-stream", "application/zip;q=0.5, */*", "application/zip;q=0.5, text/csv",
        "application/zip;q=0.1, application/*;q=0.2", "application/zip, text/csv",
        "application/zip;q=0.1, text/*;q=0.2",
        "application/octet-stream;q=0.3, application/zip;q=0.2",
    ])
    func theFileMayBeLikedBetter(_ accept: String) {
        #expect(ContentForm(accept: accept, files: one) == .file)
        // Of several, nothing else is served.
        #expect(ContentForm(accept: accept, files: several) == .archive)
    }
}
