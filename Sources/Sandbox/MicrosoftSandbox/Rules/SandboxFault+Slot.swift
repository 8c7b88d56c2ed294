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
        case statusCode
        case location
        case entity
        case identifier
        case link
        case fields
        case members
        case text
        case padding
        case body
        case listLag
        case listedSize
        case lead
        case coding
    }

    var slot: Slot {
        switch self {
        case .slow: .delay
        case .throttled, .status, .raw, .echo, .expiredLink, .htmlSignIn, .tokenRevoked, .cutConnection,
            .consentRequired,
            .interactionRequired, .identityNotFound:
            .answer
        case .failed, .failedBusy, .partiallySucceeded, .submissionFailed, .stuck, .unknownStatus: .outcome
        case .metadataLag: .lag
        case .fileContent, .report: .content
        case .cutDownload, .stallDownload, .shortDownload, .wrongLength: .ending
        case .dripDownload: .pace
        case .noContentLength, .framing: .framing
        case .noRanges, .ranges: .ranges
        case .changedFile: .version
        case .noETag: .validator
        case .wrongContentType: .mediaType
        case .statusCode: .statusCode
        case .quotedLocation, .location: .location
        case .wrappedEntity: .entity
        case .idWithReserved: .identifier
        case .preAuthorizedLink: .link
        case .headers: .fields
        case .members: .members
        case .rewrite: .text
        case .padding: .padding
        case .emptyBody: .body
        case .listLag: .listLag
        case .listedSize: .listedSize
        case .leadingBytes: .lead
        case .gzip: .coding
        }
    }

    /// Whether a call of this role can show the fault at all. One that cannot does not use the rule up.
    func applies(to role: Operation.Role, jobIsOpen: Bool) -> Bool {
        switch slot {
        case .delay, .mediaType, .statusCode, .fields, .body, .coding: true
        case .answer:
            switch self {
            case .expiredLink: role == .download
            case .tokenRevoked: role != .token
            case .consentRequired, .interactionRequired, .identityNotFound: role == .token
            default: true
            }
        case .outcome: role == .start || (role == .status && jobIsOpen)
        case .lag: role == .start || role == .status
        case .content where isReport: role == .start
        case .content, .lead: role == .start || role == .status || role == .download
        case .framing: self != .noContentLength || role == .download
        case .ending, .pace, .ranges, .version, .validator: role == .download
        case .members, .text, .padding: role != .download
        case .location, .identifier, .listLag: role == .start
        case .listedSize: role == .status || role == .list
        case .entity: role == .status
        case .link: role == .start || role == .status
        }
    }

    private var isReport: Bool { if case .report = self { true } else { false } }
}
