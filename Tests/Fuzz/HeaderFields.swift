import Foundation
import HTTPFields

/// libFuzzer's entry: whatever stands in a header field or in a file's name, what is made of it holds.
///
/// Compiled by `Tests/fuzz` together with the files that it tests, and part of no target of the package. What it finds
/// becomes an argument of the tests named `…FuzzTests`, which compare with references of their own.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    acceptEncoding(text)
    ranges(text)
    contentDisposition(text)
    return 0
}

private func acceptEncoding(_ field: String) {
    let accepted = AcceptEncoding(field)
    for worthwhile in [true, false] {
        for allowed in [true, false] {
            switch accepted.selected(worthwhile: worthwhile, allowed: allowed) {
            case .gzip: precondition(allowed && accepted.takesGzip)
            case .identity: precondition(accepted.takesIdentity)
            case nil: precondition(!accepted.takesIdentity)
            }
        }
    }
    precondition(AcceptEncoding(" ,\t" + field.uppercased() + " ,") == AcceptEncoding(field.uppercased()))
}

private func ranges(_ field: String) {
    let range = RangeField(field)
    for size: Int64 in [0, 1, 10, 501, .max] {
        guard let part = range?.resolved(in: size) else { continue }
        precondition(0 <= part.first && part.first <= part.last && part.last < size)
        precondition(part.count > 0 && part.count <= size)
        precondition(
            ContentRange(field: part.contentRange)
                == ContentRange(first: part.first, last: part.last, completeLength: size)
        )
    }
    if let told = ContentRange(field: field) {
        precondition(0 <= told.first && told.first <= told.last)
        precondition(told.completeLength.map { told.last < $0 } ?? true)
    }
}

private func contentDisposition(_ name: String) {
    let safe = FileName.safe(name)
    precondition(!safe.isEmpty && safe.utf8.count <= FileName.longestName)
    precondition(
        safe.unicodeScalars.allSatisfy {
            $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) && !"/\\:*?\"<>|".unicodeScalars.contains($0)
        }
    )
    precondition(FileName.safe(safe).unicodeScalars.elementsEqual(safe.unicodeScalars))
    let field = ContentDisposition.attachment(named: name)
    precondition(field.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    let value = field.components(separatedBy: "filename*=UTF-8''").last
    precondition(value?.removingPercentEncoding == safe)
}
