import HTTPFields
import Exports

/// The condition under which a client requests a part of a file instead of the whole.
enum RangeCondition: Sendable, Hashable {
    /// The client set none.
    case none
    /// It does not hold.
    case fails
    /// It holds by the record: the tag is made from the file's digest.
    case holds(EntityTag)
    /// It holds if the upstream's validator is the one in the tag.
    case upstream(EntityTag, validator: String)
}

/// Evaluates the conditional fields of a request, in the order of RFC 9110, 13.2.2, by the record alone.
///
/// A file has no modification date: `If-Modified-Since` and `If-Unmodified-Since` are ignored, and a date in `If-Range` never
/// matches.
struct Preconditions: Sendable {
    enum Verdict: Sendable, Hashable {
        case goOn
        /// 304: the client has the file.
        case notModified
        /// 412: the client means another file.
        case failed
        /// `If-Match` holds if the upstream's validator is one of these.
        case dependsOn([String])
    }

    private let file: ExportFile
    private let export: ExportID
    private let names: TagNames

    init(_ file: ExportFile, _ export: ExportID) {
        self.file = file
        self.export = export
        names = TagNames(file, export)
    }

    /// Reads `If-Match` and `If-None-Match`. For a part of the file (`isPart`), only the tags of the plain bytes count.
    func verdict(ifMatch: String?, ifNoneMatch: String?, isPart: Bool) -> Verdict {
        let match = ifMatch.map(verdict(ifMatch:)) ?? .goOn
        if match == .failed { return match }
        if let ifNoneMatch, isNamed(by: ifNoneMatch, isPart: isPart) { return .notModified }
        return match
    }

    /// Evaluates `If-Range`, with strong comparison (RFC 9110, 13.1.5).
    func condition(ifRange: String?) -> RangeCondition {
        guard let ifRange else { return .none }
        guard let tag = EntityTag(ifRange: ifRange), !tag.isWeak else { return .fails }
        if let validator = tag.validator(for: file, in: export) { return .upstream(tag, validator: validator) }
        return file.sha256 != nil && tag.opaque == names.base ? .holds(tag) : .fails
    }

    /// Strong comparison (RFC 9110, 13.1.1).
    private func verdict(ifMatch: String) -> Verdict {
        if EntityTag.isAny(ifMatch) { return .goOn }
        let strong = EntityTag.list(ifMatch).filter { !$0.isWeak }
        if file.sha256 != nil, strong.contains(where: { $0.opaque == names.base }) { return .goOn }
        let carried = strong.compactMap { $0.validator(for: file, in: export) }
        return carried.isEmpty ? .failed : .dependsOn(carried)
    }

    /// Weak comparison (RFC 9110, 13.1.2).
    ///
    /// Only the record decides: the upstream is not called for a 304, even if the tag contains a validator. As long as only one
    /// delivery supports the record, nothing is "not modified": a client that has those bytes gets the file once more, which
    /// confirms them or not.
    private func isNamed(by ifNoneMatch: String, isPart: Bool) -> Bool {
        if EntityTag.isAny(ifNoneMatch) { return true }
        guard file.isVouchedFor else { return false }
        // Also of a coding that is no longer offered: the client has the file.
        let coded = ContentCoding.offered.map { names.base + "-" + $0.rawValue }
        return EntityTag.list(ifNoneMatch)
            .contains { tag in
                if tag.opaque == names.base || (!isPart && coded.contains(tag.opaque)) { return true }
                return tag.opaque.hasPrefix(names.base + ".v") && tag.validator(for: file, in: export) != nil
            }
    }
}

extension ExportFile {
    /// Whether more than one delivery supports the digest: another delivery, the upstream, or the length that it announced.
    var isVouchedFor: Bool { sha256 != nil && (digestState == .confirmed || sizeState == .confirmed) }
}
