import CConsole
import HTTPFields
import NIOCore
import SystemCrypto

/// A file of the console, which is a part of the program.
struct ConsoleFile: Sendable {
    var bytes: ByteBuffer
    var contentType: String
    var entityTag: EntityTag

    /// The name of the page itself.
    static let page = "index.html"

    /// All files, by their names.
    static let all: [String: ConsoleFile] = {
        let files = UnsafeBufferPointer(start: console_files(), count: console_file_count())
        return Dictionary(
            uniqueKeysWithValues: files.map { file in
                let name = String(cString: file.name)
                return (name, ConsoleFile(name, Array(UnsafeBufferPointer(start: file.bytes, count: file.size))))
            }
        )
    }()

    private init(_ name: String, _ content: [UInt8]) {
        bytes = ByteBuffer(bytes: content)
        contentType = Self.contentType(of: name)
        entityTag = EntityTag(opaque: Hexadecimal.encode(SHA256.hash(content).prefix(16)), isWeak: false)
    }

    private static func contentType(of name: String) -> String {
        switch name.split(separator: ".").last {
        case "html": "text/html; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "js": "text/javascript; charset=utf-8"
        case "svg": "image/svg+xml"
        default: "application/octet-stream"
        }
    }
}
