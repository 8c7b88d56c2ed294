/// The members of a problem document beyond RFC 9457's own. Each kind belongs to one kind of problem.
public enum ProblemMembers: Sendable, Hashable {
    /// Of `methodNotAllowed`: the methods that the resource has.
    case allow([String])
    /// Of `invalidParameter`: the name of the parameter or header field.
    case parameter(String)
    /// Of `forbidden`: the permission that the caller does not have.
    case permission(String)
    /// Of `severalFiles`: the files to choose from.
    case files([FileChoice])
    /// Of `tooManyRequests`: the limit that was met.
    case quota(Quota)
    /// Of `deliveredElsewhere`: the container that the files went to.
    case destination(String)
    /// Of `rangeNotSatisfiable`: how many bytes the file has.
    case size(Int64)
    /// Of `unavailable`: why the ledger cannot be written.
    case reason(ServiceImpediment)
    /// Of `unavailable`: why the process does not serve yet, or no longer.
    case notReady([ReadinessReason])
    /// Of `invalidConfiguration` and `restartNeeded`: the keys in the way.
    case configuration([ConfigurationFault])
    /// Of `upstreamConflict`: the upstream's id of the job in the way.
    case existing(String)
    /// Of `exportPurged`: how the export had ended, and when.
    case purged(ExportTombstone)
    /// Of `notPurgeable`: what stands in the way.
    case obstacle(PurgeObstacle)
}

/// What is wrong with a key of the configuration, or why a change of it cannot be applied. Never holds a secret.
public struct ConfigurationFault: Sendable, Hashable {
    /// The key, such as `server.apiKeys[0].sha256`, or the name of a variable that stands in for one.
    public var key: String
    public var detail: String

    /// Makes a fault.
    public init(key: String, detail: String) {
        (self.key, self.detail) = (key, detail)
    }
}

/// A file that a client can download instead.
public struct FileChoice: Sendable, Hashable {
    public var file: ExportFile
    /// The address of its bytes.
    public var href: String

    /// Makes a choice.
    public init(_ file: ExportFile, href: String) {
        self.file = file
        self.href = href
    }
}
