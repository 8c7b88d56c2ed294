/// What the sandbox's Intune knows of reports: enough of Microsoft's list to tell a name from a misspelled one
/// (`Upstream-Intune, Reports`).
enum IntuneReports {
    static let names: Set<String> = [
        "Devices", "DevicesWithInventory", "ChromeOSDevices", "AllDeviceCertificates", "CertificatesByRAPolicy",
        "TpmAttestationStatus", "DeviceEncryption", "ComanagedDeviceWorkloads", "Users", "DeviceCompliance",
        "DeviceNonCompliance", "DeviceComplianceTrend", "DevicesWithoutCompliancePolicy",
        "DevicePoliciesComplianceReport", "NoncompliantDevicesAndSettings", "PolicyComplianceAggReport",
        "SettingComplianceAggReport", "ConfigurationPolicyAggregate", "DeviceAssignmentStatusByConfigurationPolicy",
        "DeviceConfigurationPolicyStatuses", "DeviceStatusesByConfigurationProfile",
        "PerSettingDeviceSummaryByConfigurationPolicy", "DeviceRunStatesByScript",
        "DeviceRunStatesByProactiveRemediation", "Policies", "AllAppsList", "AppInstallStatusAggregate",
        "AppInvAggregate", "AppInvRawData", "AppInvByDevice", "DevicesByAppInv", "DeviceInstallStatusByApp",
        "UserInstallStatusAggregateByApp", "MAMAppProtectionStatus", "DefenderAgents", "UnhealthyDefenderAgents",
        "ActiveMalware", "Malware", "FirewallStatus", "EpmElevationReportElevationEvent", "FeatureUpdateDeviceState",
        "FeatureUpdatePolicyStatusSummary", "DeviceFailuresByFeatureUpdatePolicy", "QualityUpdatePolicyStatusSummary",
        "QualityUpdateDeviceStatusByPolicy", "QualityUpdateDeviceErrorsByPolicy", "EnrollmentActivity",
        "AutopilotV1DeploymentStatus", "AutopilotV2DeploymentStatus",
    ]

    /// Listed by Microsoft, and refused all the same.
    static let notExported: Set<String> = ["DeviceEnrollmentFailures"]

    static let requiredColumns = [
        "AppInvByDevice": "DeviceId", "DevicesByAppInv": "ApplicationKey", "DeviceInstallStatusByApp": "ApplicationId",
        "UserInstallStatusAggregateByApp": "ApplicationId", "FeatureUpdateDeviceState": "PolicyId",
        "DeviceFailuresByFeatureUpdatePolicy": "PolicyId", "QualityUpdateDeviceStatusByPolicy": "PolicyId",
        "QualityUpdateDeviceErrorsByPolicy": "PolicyId", "DeviceRunStatesByProactiveRemediation": "PolicyId",
    ]

    /// Columns with localized texts cannot be named for these; they come with the columns that they belong to.
    static let withoutNamedTexts: Set<String> = [
        "NoncompliantDevicesAndSettings", "DeviceAssignmentStatusByConfigurationPolicy", "FirewallStatus",
        "DeviceStatusesByConfigurationProfile", "PerSettingDeviceSummaryByConfigurationPolicy",
        "DevicesWithoutCompliancePolicy",
    ]

    /// What is taken where no columns are named.
    static let defaultColumns = ["DeviceId", "DeviceName", "OwnerType", "LastContact"]
}
