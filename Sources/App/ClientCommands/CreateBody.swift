import ArgumentParser
import Foundation
import JSON

/// The body of a create, as the command line gives it.
enum CreateBody {
    /// The gateway takes no more.
    private static let longest = 1 << 20

    /// A file, or standard input.
    static func read(_ path: String) throws -> JSONValue {
        let file = path == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: path)
        guard let file, let data = try? file.read(upToCount: longest + 1) ?? Data() else {
            throw ValidationError("--body: \(path) cannot be read")
        }
        guard data.count <= longest else { throw ValidationError("--body: \(path) is larger than any create") }
        do throws(JSONParser.Failure) {
            return try JSONValue(parsing: data)
        } catch {
            throw ValidationError("--body: \(path) \(error.reason), at byte \(error.offset)")
        }
    }

    /// `name=value` and `name:=JSON`.
    static func options(_ words: [String]) throws -> JSONValue {
        var members: [String: JSONValue] = [:]
        for word in words {
            guard let equals = word.firstIndex(of: "="), equals > word.startIndex else {
                throw ValidationError("\(word): write an option as name=value, or as name:=JSON")
            }
            let value = String(word[word.index(after: equals)...])
            let isJSON = word[word.index(before: equals)] == ":"
            let name = String(isJSON ? word[..<word.index(before: equals)] : word[..<equals])
            guard !name.isEmpty else { throw ValidationError("\(word): an option needs a name") }
            guard members[name] == nil else { throw ValidationError("\(name) is given twice") }
            guard isJSON else {
                members[name] = .string(value)
                continue
            }
            do throws(JSONParser.Failure) {
                members[name] = try JSONValue(parsing: value.utf8)
            } catch {
                throw ValidationError("\(name): the JSON \(error.reason), at byte \(error.offset)")
            }
        }
        return .object(members)
    }
}
