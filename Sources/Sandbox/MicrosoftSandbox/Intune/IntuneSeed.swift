extension SandboxSeed {
    /// An Intune report without a required filter.
    public static let intuneReport = "DeviceCompliance"
}
