import Foundation

/// Directories that are made where they are not there.
enum Directories {
    /// Makes a directory and those above it. What went wrong, in the system's words; nil where it is there.
    static func make(_ path: String, mode: mode_t) -> String? {
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue { return nil }
        let above = URL(filePath: path).deletingLastPathComponent().path(percentEncoded: false)
        if above != path, above != path + "/", let reason = make(above, mode: mode) { return reason }
        return mkdir(path, mode) == 0 || errno == EEXIST ? nil : String(cString: strerror(errno))
    }
}
