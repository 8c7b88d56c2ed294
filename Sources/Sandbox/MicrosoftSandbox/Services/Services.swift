/// Every service that the sandbox plays. The one place that names them all.
enum Services {
    static let all: [any SandboxService.Type] = [
        EntraIDService.self,
        ManagedIdentity.self,
        GraphEDiscoveryService.self,
        DownloadProxy.self,
        VivaGoalsService.self,
        PowerBIService.self,
        IntuneService.self,
        StorageHost.self,
    ]
}
