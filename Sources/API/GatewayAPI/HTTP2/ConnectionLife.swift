import NIOCore

/// When a connection of HTTP/2 ends that its client leaves open: the decisions of `ConnectionWatch`, without its channel.
///
/// - Without a stream, it ends after the idle timeout, with `GOAWAY`, so that a request that is on its way is not lost.
/// - A head that has begun must end within the idle timeout: nothing else can come before its end.
/// - The client must acknowledge the settings (RFC 9113, 6.5.3).
/// - After `GOAWAY`, the client has a short time without streams to agree.
struct ConnectionLife: Sendable {
    /// What is to be done now.
    enum Verdict: Hashable, Sendable {
        /// Nothing before this time.
        case wait(until: NIODeadline)
        /// Tell the client to open no more streams.
        case goAway
        /// Close the connection behind what was sent.
        case close
        /// Close it at once.
        case abort
        /// Close it with the error `SETTINGS_TIMEOUT`.
        case settingsTimeout
    }

    /// How long the client has to acknowledge the settings.
    static let patience = TimeAmount.seconds(10)
    /// How long a client without streams has to answer `GOAWAY`.
    static let goAwayPatience = TimeAmount.seconds(5)

    /// How long the connection may be without a stream.
    let idleTimeout: TimeAmount
    private let opened: NIODeadline
    private(set) var streams = 0
    private var idleSince: NIODeadline
    private var isAcknowledged = false
    private var goneAway: NIODeadline?
    private var headSince: NIODeadline?

    init(idleTimeout: TimeAmount, at now: NIODeadline) {
        (self.idleTimeout, opened, idleSince) = (idleTimeout, now, now)
    }

    /// Whether the client was told to open no more streams.
    var isLeaving: Bool { goneAway != nil }

    /// A stream was opened.
    mutating func began() { streams += 1 }

    /// A stream was closed.
    mutating func ended(at now: NIODeadline) {
        streams -= 1
        idleSince = now
    }

    /// The client has acknowledged the settings.
    mutating func acknowledged() { isAcknowledged = true }

    /// The client was told to open no more streams.
    mutating func goesAway(at now: NIODeadline) { goneAway = goneAway ?? now }

    /// Whether a part of a head has come whose end has not.
    mutating func holdsHead(_ isHeld: Bool, at now: NIODeadline) {
        headSince = isHeld ? headSince ?? now : nil
    }

    /// Decides at the end of a wait, and after ``goesAway(at:)``.
    func verdict(at now: NIODeadline) -> Verdict {
        var next = now + idleTimeout
        if !isAcknowledged {
            let end = opened + min(Self.patience, idleTimeout)
            guard now < end else { return .settingsTimeout }
            next = min(next, end)
        }
        if let headSince {
            let end = headSince + idleTimeout
            guard now < end else { return .abort }
            next = min(next, end)
        }
        guard streams == 0 else { return .wait(until: next) }
        if let goneAway {
            let end = max(goneAway, idleSince) + Self.goAwayPatience
            return now < end ? .wait(until: min(next, end)) : .close
        }
        let end = idleSince + idleTimeout
        return now < end ? .wait(until: min(next, end)) : .goAway
    }
}
