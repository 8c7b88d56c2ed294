public import JSON

/// Reads the members of one JSON object strictly, and keeps every fault instead of stopping at the first.
///
/// Members that nobody asked for are refused by name: upstreams ignore them silently, and people got exports without
/// row-level security that way (`Upstream-PowerBI, Request body`). Call `finish()` last; it finds them.
///
///     var reader = ObjectReader(options)
///     let format = reader.requiredEnum("format", among: formats)
///     reader.finish()
///     guard reader.faults.isEmpty else { throw .invalid(reader.faults) }
public struct ObjectReader: Sendable {
    /// The pointer of this object in its document; empty for the root.
    public let pointer: String

    /// The faults so far, in the order of reading.
    public private(set) var faults: [FieldFault] = []

    private let members: [String: JSONValue]
    private var known: Set<String> = []

    /// Reads `value`, which is at `pointer`. Anything but an object is itself a fault.
    public init(_ value: JSONValue, at pointer: String = "") {
        self.pointer = pointer
        if case .object(let members) = value {
            self.members = members
        } else {
            members = [:]
            faults.append(FieldFault(pointer, "must be an object, not \(value.article)"))
        }
    }

    /// Adds a fault of the member `name`.
    public mutating func fault(_ name: String, _ detail: String) {
        faults.append(FieldFault(pointer + JSONPointer.step(name), detail))
    }

    /// Adds the faults of a nested value, whose pointers are already complete.
    public mutating func adopt(_ nested: [FieldFault]) { faults += nested }

    /// Whether the member is present.
    public func has(_ name: String) -> Bool { members[name] != nil }

    /// The member's value. `null` is a fault, because an absent member is the way to give no value.
    public mutating func value(_ name: String) -> JSONValue? {
        known.insert(name)
        guard let value = members[name] else { return nil }
        if case .null = value {
            fault(name, "must not be null; leave it out instead")
            return nil
        }
        return value
    }

    /// A text with `length` in Unicode scalars, and without control characters except tab and line ends.
    public mutating func string(_ name: String, length: ClosedRange<Int> = 1...1024) -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else {
            fault(name, "must be a string, not \(value.article)")
            return nil
        }
        guard length.contains(text.unicodeScalars.count) else {
            fault(
                name,
                text.isEmpty
                    ? "must not be empty" : "must have \(length.lowerBound) to \(length.upperBound) characters"
            )
            return nil
        }
        guard !text.utf8.contains(where: Self.isControl) else {
            fault(name, "must not hold control characters")
            return nil
        }
        return text
    }

    /// A required text.
    public mutating func requiredString(_ name: String, length: ClosedRange<Int> = 1...1024) -> String? {
        guard require(name) else { return nil }
        return string(name, length: length)
    }

    /// A UUID, lower-cased.
    public mutating func uuid(_ name: String) -> String? {
        guard let text = string(name) else { return nil }
        guard UUIDText.isValid(text) else {
            fault(name, "must be a UUID such as f089354e-8366-4e18-aea3-4cb4a3a50b48")
            return nil
        }
        return text.lowercased()
    }

    /// A required UUID.
    public mutating func requiredUUID(_ name: String) -> String? {
        guard require(name) else { return nil }
        return uuid(name)
    }

    /// A boolean.
    public mutating func bool(_ name: String) -> Bool? {
        guard let value = value(name) else { return nil }
        guard case .bool(let flag) = value else {
            fault(name, "must be true or false, not \(value.article)")
            return nil
        }
        return flag
    }

    /// One of `allowed`, compared without regard to case and returned as spelled in `allowed`.
    public mutating func choice(_ name: String, among allowed: [String]) -> String? {
        guard let text = string(name) else { return nil }
        if allowed.contains(text) { return text }
        let folded = text.lowercased()
        guard let match = allowed.first(where: { $0.lowercased() == folded }) else {
            fault(
                name,
                "must be one of \(allowed.joined(separator: ", "))" + Self.suggestion(for: text, among: allowed)
            )
            return nil
        }
        return match
    }

    /// A required one of `allowed`.
    public mutating func requiredChoice(_ name: String, among allowed: [String]) -> String? {
        guard require(name) else { return nil }
        return choice(name, among: allowed)
    }

    /// A flags enum as Graph writes it: names joined by commas, with or without spaces
    /// (`Upstream-GraphEDiscovery, Request bodies`). Comes back in the order given, without spaces and repeats.
    public mutating func flags(_ name: String, among allowed: [String]) -> [String]? {
        guard let text = string(name) else { return nil }
        var flags: [String] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let flag = String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            guard let match = allowed.first(where: { $0.lowercased() == flag.lowercased() }) else {
                fault(
                    name,
                    "has \"\(flag.prefix(64))\", which is not one of \(allowed.joined(separator: ", "))"
                        + Self.suggestion(for: flag, among: allowed)
                )
                return nil
            }
            if !flags.contains(match) { flags.append(match) }
        }
        return flags
    }

    /// The elements of an array with their pointers.
    public mutating func array(_ name: String, count: ClosedRange<Int> = 0...100) -> [(
        value: JSONValue, pointer: String
    )]? {
        guard let value = value(name) else { return nil }
        guard case .array(let elements) = value else {
            fault(name, "must be an array, not \(value.article)")
            return nil
        }
        guard count.contains(elements.count) else {
            fault(name, "must have \(count.lowerBound) to \(count.upperBound) elements")
            return nil
        }
        return elements.enumerated().map { ($1, pointer + JSONPointer.step(name) + "/\($0)") }
    }

    /// A nested object; read it and `adopt` its faults.
    public mutating func object(_ name: String) -> ObjectReader? {
        guard let value = value(name) else { return nil }
        return ObjectReader(value, at: pointer + JSONPointer.step(name))
    }

    /// Whether a byte of UTF-8 is a control character other than a tab and the ends of lines.
    private static func isControl(_ byte: UInt8) -> Bool {
        byte < 0x20 && byte != 0x09 && byte != 0x0A && byte != 0x0D || byte == 0x7F
    }

    /// All members of an object with arbitrary names, sorted by name.
    public mutating func takeAllMembers() -> [(name: String, value: JSONValue)] {
        known.formUnion(members.keys)
        return members.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Refuses every member that was not read, and suggests the nearest known name where one is close.
    ///
    /// At most 32 of them are named, so that the answer to a hostile body stays small.
    public mutating func finish() {
        let unknown = members.keys.filter { !known.contains($0) }
        guard !unknown.isEmpty else { return }
        let allowed = known.sorted()
        for name in unknown.sorted().prefix(32) {
            fault(
                name,
                "is not a member here" + Self.suggestion(for: name, among: allowed)
                    + (allowed.isEmpty ? "" : "; known are \(allowed.joined(separator: ", "))")
            )
        }
    }

    private mutating func require(_ name: String) -> Bool {
        known.insert(name)
        if members[name] == nil { fault(name, "is required") }
        return members[name] != nil
    }

    /// `; did you mean "format"?` when a known name is at most two edits away, or differs in case only.
    public static func suggestion(for name: some StringProtocol, among allowed: [String]) -> String {
        let wanted = Array(name.lowercased().unicodeScalars.prefix(64))
        let ranked = allowed.map { (name: $0, distance: editDistance(wanted, Array($0.lowercased().unicodeScalars))) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }),
            best.distance <= min(2, max(1, best.name.unicodeScalars.count / 3))
        else { return "" }
        return "; did you mean \"\(best.name)\"?"
    }

    /// Letters added, left out, changed, or swapped with their neighbour (optimal string alignment).
    private static func editDistance(_ lhs: [Unicode.Scalar], _ rhs: [Unicode.Scalar]) -> Int {
        var (beforePrevious, previous) = ([Int](), Array(0...rhs.count))
        for (row, left) in lhs.enumerated() {
            var current = [row + 1]
            for (column, right) in rhs.enumerated() {
                var distance = min(previous[column + 1], current[column]) + 1
                distance = min(distance, previous[column] + (left == right ? 0 : 1))
                if row > 0, column > 0, left == rhs[column - 1], lhs[row - 1] == right {
                    distance = min(distance, beforePrevious[column - 1] + 1)
                }
                current.append(distance)
            }
            (beforePrevious, previous) = (previous, current)
        }
        return previous[rhs.count]
    }
}

extension JSONValue {
    fileprivate var article: String {
        switch self {
        case .null: "null"
        case .integer, .array, .object: "an \(kind)"
        default: "a \(kind)"
        }
    }
}
