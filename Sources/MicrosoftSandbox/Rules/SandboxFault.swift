/// Something that goes differently from the plain, successful course. Each case is a rule's `fault.kind` on the control
/// plane, with its associated values as members.
public enum SandboxFault: Sendable, Hashable {
    /// The call is answered as usual, but only after this time has passed on the sandbox's clock.
    case slow(milliseconds: Int)
    /// 429 in the service's own form. `retryAfter` goes out as written (`2.128` too); nil writes 1.
    case throttled(retryAfter: String? = nil, withoutHeader: Bool = false)
    /// This status, body and these header fields, whatever was asked.
    case status(Int, body: String? = nil, headers: [String: String] = [:])
    /// The call is refused with this status, and the error repeats the secrets that it came with.
    case echo(status: Int = 400, writing: SandboxWriting = .plain)
    /// The job ends as failed, for good.
    case failed
    /// The Power BI job ends as `Failed` with `Retry-After`: the service was busy, start again (`powerbi-entra.md` A4).
    /// Elsewhere as `failed`.
    case failedBusy(retryAfter: Int)
    /// The eDiscovery job ends as partiallySucceeded, with its files and a resultInfo. Elsewhere as `failed`.
    case partiallySucceeded
    /// The eDiscovery job is submissionFailed from its first reading on. Elsewhere as `failed`.
    case submissionFailed
    /// The job runs and never ends.
    case stuck
    /// Put on a start: the job shows this status from then on and never ends. On a status call: this answer only.
    case unknownStatus(String)
    /// The files of an eDiscovery job appear this long after its success (`graph.md` B5).
    case metadataLag(seconds: Int)
    /// The connection breaks in the middle of the body, after exactly this many bytes.
    case cutDownload(afterBytes: Int64)
    /// The body stops after this many bytes; the connection stays open until the caller leaves.
    case stallDownload(afterBytes: Int64)
    /// The body ends cleanly, with a matching `Content-Length`, but this many bytes before the file does.
    case shortDownload(missingBytes: Int64 = 1)
    /// `Content-Length` promises this many bytes more than come before the connection closes.
    case wrongLength(excessBytes: Int64 = 1)
    /// The link or the file has expired: 403 from the download hosts, 404 from Goals and Power BI.
    case expiredLink
    /// The answer carries this `Content-Type`.
    case wrongContentType(String)
    /// 200 with the HTML of a sign-in page.
    case htmlSignIn
    /// The token endpoint says that somebody has to consent first, as it does to calls on a user's behalf.
    case consentRequired
    /// The token endpoint says that the user has to do something first, and sends these claims along.
    case interactionRequired(claims: String = #"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#)
    /// The machine has no managed identity.
    case identityNotFound
    /// The presented token is revoked, from this call on.
    case tokenRevoked
    /// The connection closes without an answer. `started` tells whether the call was carried out before.
    case cutConnection(started: Bool)
    /// The job's first file has this size and kind; the kind is `content` on the control plane.
    case fileContent(bytes: Int64, kind: SandboxFileKind)
    /// The body comes chunked, without `Content-Length`.
    case noContentLength
    /// The body comes at this pace on the sandbox's clock.
    case dripDownload(bytesPerSecond: Int)
    /// The host serves no parts of files: every answer is the whole, without `Accept-Ranges`.
    case noRanges
    /// The host serves parts of files and has entity tags, as storage hosts always do.
    case ranges
    /// The file is another one, of the same length, with an entity tag of its own. With `after: 1` in the rule, from the
    /// second request on.
    case changedFile
    /// The file comes without an entity tag.
    case noETag
    /// `Location` comes inside double quotes.
    case quotedLocation
    /// The entity comes wrapped in `{"value": …}` (`graph.md` C3).
    case wrappedEntity
    /// The job's id holds characters that a path must escape: `+`, `/` and `=`. Power BI and Goals only.
    case idWithReserved
    /// The job's files are handed out as pre-signed links on the storage host.
    case preAuthorizedLink
}

/// What a generated file holds, for `SandboxFault.fileContent`.
public enum SandboxFileKind: String, Sendable, Hashable, CaseIterable {
    /// Rows of text: compresses well.
    case csv
    /// Noise: does not compress.
    case random
    /// A ZIP archive with one stored entry.
    case zip
    /// Noise behind the first bytes of an Outlook data file.
    case pst
}

extension SandboxFault {
    /// The place in a call's course that a fault takes. One call takes at most one fault for each.
    enum Slot: Hashable {
        case delay
        case answer
        case outcome
        case lag
        case content
        case ending
        case pace
        case framing
        case ranges
        case version
        case validator
        case mediaType
        case location
        case entity
        case identifier
        case link
    }

    var slot: Slot {
        switch self {
        case .slow: .delay
        case .throttled, .status, .echo, .expiredLink, .htmlSignIn, .tokenRevoked, .cutConnection, .consentRequired,
            .interactionRequired, .identityNotFound:
            .answer
        case .failed, .failedBusy, .partiallySucceeded, .submissionFailed, .stuck, .unknownStatus: .outcome
        case .metadataLag: .lag
        case .fileContent: .content
        case .cutDownload, .stallDownload, .shortDownload, .wrongLength: .ending
        case .dripDownload: .pace
        case .noContentLength: .framing
        case .noRanges, .ranges: .ranges
        case .changedFile: .version
        case .noETag: .validator
        case .wrongContentType: .mediaType
        case .quotedLocation: .location
        case .wrappedEntity: .entity
        case .idWithReserved: .identifier
        case .preAuthorizedLink: .link
        }
    }

    /// Whether a call of this role can show the fault at all. One that cannot does not use the rule up.
    func applies(to role: Operation.Role, jobIsOpen: Bool) -> Bool {
        switch slot {
        case .delay, .mediaType: true
        case .answer:
            switch self {
            case .expiredLink: role == .download
            case .tokenRevoked: role != .token
            case .consentRequired, .interactionRequired, .identityNotFound: role == .token
            default: true
            }
        case .outcome: role == .start || (role == .status && jobIsOpen)
        case .lag: role == .start || role == .status
        case .content: role == .start || role == .status || role == .download
        case .ending, .pace, .framing, .ranges, .version, .validator: role == .download
        case .location, .identifier: role == .start
        case .entity: role == .status
        case .link: role == .start || role == .status
        }
    }
}
