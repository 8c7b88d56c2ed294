/// The names of what stands beside a file as long as it is downloaded. No file of an export gets one of them.
enum PartName {
    /// What the name of the bytes has behind that of the file.
    static let part = ".export-gateway-part"
    /// What the name of the notes on them has behind that of the file.
    static let origin = part + ".json"

    /// Another name for a file whose own ends like one of them, of the same length; else the same one.
    static func avoided(by name: String) -> String {
        for ending in [part, origin] where name.lowercased().hasSuffix(ending) {
            return name.dropLast(ending.count) + "_" + name.suffix(ending.count - 1)
        }
        return name
    }
}
