import COpenAPI

/// The files in the program.
enum PackageResources {
    /// The document that `GET /openapi.yaml` answers with.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    static let openapi_yaml = Array(
        UnsafeBufferPointer(start: openapi_document(), count: openapi_document_size())
    )
}
