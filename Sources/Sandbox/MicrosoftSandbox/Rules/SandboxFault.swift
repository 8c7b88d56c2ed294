import Exports
public import JSON

/// A deviation from the normal, successful behaviour. Each case is a rule's `fault.kind` on the control plane, with its associated
/// values as members.
public enum SandboxFault: Sendable, Hashable {
    /// The call is answered as usual, but only after this time has passed on the sandbox's clock.
    case slow(milliseconds: Int)
    /// 429 in the service's own form. `retryAfter` goes out as written (`2.128` too); nil writes 1.
    case throttled(retryAfter: String? = nil, withoutHeader: Bool = false)
    /// This status, body and these header fields, whatever was asked. `started` tells whether the call was carried out
    /// before: a job may run although its start was answered with an error.
    case status(Int, body: String? = nil, headers: [String: String] = [:], started: Bool = false)
    /// These bytes in place of an answer, head included, as they stand; then the connection closes. `started` as above.
    case raw(String, started: Bool = false)
    /// The call is refused with this status, and the error repeats the secrets that it came with.
    case echo(status: Int = 400, writing: SandboxWriting = .plain)
    /// The job ends as failed, for good.
    case failed
    /// The Power BI job ends as `Failed` with `Retry-After`: the service was busy, start again (`Upstream-PowerBI, Status`).
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
    /// The files of an eDiscovery job appear this long after its success (`Upstream-GraphEDiscovery, Files`), the link of an Intune
    /// job so long after its completion (`Upstream-Intune, Status`).
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
    /// The right answer comes with this status.
    case statusCode(Int)
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
    /// The connection closes without an answer; with `reset`, by a reset (TCP RST). `started` tells whether the call was
    /// carried out before.
    case cutConnection(started: Bool, reset: Bool = false)
    /// The job's first file has this size and kind; the kind is `content` on the control plane.
    case fileContent(bytes: Int64, kind: SandboxFileKind)
    /// The report in an Intune job's archive is written like this. On a start.
    case report(SandboxReport)
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
    /// The entity comes wrapped in `{"value": …}` (`Upstream-VivaGoals, Job`).
    case wrappedEntity
    /// The job's id holds characters that a path must escape: `+`, `/` and `=`. Not in eDiscovery.
    case idWithReserved
    /// The job's files are handed out as pre-signed links on the storage host.
    case preAuthorizedLink
    /// These header fields are set, and these left out; the answer is right otherwise.
    case headers(set: [String: String] = [:], remove: [String] = [])
    /// Put on a start: these members of the job are shown like this, or not at all, by every later answer and list. On any
    /// other call: those of this JSON answer.
    case members(set: [String: JSONValue] = [:], remove: [String] = [])
    /// Wherever the JSON answer has the first text, it has the second: as it stands, so that what is no JSON can be made.
    case rewrite(find: String, with: String)
    /// The member of the JSON answer holds a text of so many bytes; with `entries`, an array of small objects.
    case padding(bytes: Int, member: String = "padding", entries: Bool = false)
    /// The accepted start tells the job elsewhere than in `Location`, or not at all.
    case location(SandboxLocation)
    /// The answer has no body.
    case emptyBody
    /// Lists show the job only after this time.
    case listLag(seconds: Int)
    /// `exportFileMetadata` tells a size that differs from the file's by so many bytes.
    case listedSize(differsBy: Int64)
    /// The job's first file begins with these bytes, and what it is begins behind them.
    case leadingBytes([UInt8])
    /// The body comes in gzip, whatever the caller accepts.
    case gzip
    /// The head tells the body's length in a way that HTTP does not know. The connection closes afterwards.
    case framing(SandboxFraming)
}

/// Where an accepted start tells what it has started, for `SandboxFault.location`.
public enum SandboxLocation: String, Sendable, Hashable, CaseIterable {
    /// Nowhere, unless the body does.
    case absent
    /// In `Operation-Location`, without `Location`.
    case operationLocation
    /// As `id` in a JSON body, without `Location`.
    case body
}

/// What is wrong with the head, for `SandboxFault.framing`.
public enum SandboxFraming: String, Sendable, Hashable, CaseIterable {
    /// `Content-Length` twice, with the same value.
    case lengthTwice
    /// `Content-Length` twice, with different values.
    case differentLengths
    /// `Content-Length` and a chunked body.
    case lengthAndChunked
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
