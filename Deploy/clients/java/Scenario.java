import example.exportgateway.ApiClient;
import example.exportgateway.ApiException;
import example.exportgateway.ApiResponse;
import example.exportgateway.api.ExportsApi;
import example.exportgateway.api.ExportsApi.*;
import example.exportgateway.model.*;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** An export from its creation to its file, and three answers that are none, with the generated client. */
public class Scenario {
    private static final UUID GROUP = UUID.fromString("f089354e-8366-4e18-aea3-4cb4a3a50b48");
    private static final UUID REPORT = UUID.fromString("c0ffee00-2222-4333-8444-555566667777");

    private final ApiClient client = new ApiClient();
    private final ExportsApi exports;

    private Scenario(String address, String key) {
        client.updateBaseUri(address);
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + key));
        exports = new ExportsApi(client);
    }

    /** Whether the export is in the list, whose end is where {@code nextCursor} is missing. */
    private boolean listed(UUID id) throws ApiException {
        String cursor = null;
        do {
            ExportList page = exports.listExports(
                APIListExportsRequest.newBuilder().provider("power-bi").limit(20).cursor(cursor).build());
            if (page.getValue().stream().anyMatch(export -> export.getId().equals(id))) {
                return true;
            }
            cursor = page.getNextCursor();
        } while (cursor != null);
        return false;
    }

    private record Expected(String source, String digest) {}

    /** The SHA-256 that a download has to have: from its head where it was known then, else from the gateway's record of it. */
    private Expected expected(UUID id, Map<String, List<String>> head) throws Exception {
        List<String> digest = head.get("unencoded-digest");
        if (digest != null) {
            String text = digest.get(0).replaceAll("^sha-256=:|:$", "");
            return new Expected("header field", HexFormat.of().formatHex(Base64.getDecoder().decode(text)));
        }
        APIListExportDeliveriesRequest request =
            APIListExportDeliveriesRequest.newBuilder().id(id).requestId(head.get("x-request-id").get(0)).build();
        while (true) {
            Delivery delivery = exports.listExportDeliveries(request).getValue().get(0);
            if (delivery.getOutcome().equals("whole")) {
                return new Expected("delivery", delivery.getSha256());
            } else if (!delivery.getOutcome().equals("underWay")) {
                throw new Exception("the download ended as " + delivery.getOutcome());
            }
            Thread.sleep(100);
        }
    }

    /** The temporary file of a download, whose bytes are those that the gateway sent. */
    private Path checked(UUID id, ApiResponse<File> answer) throws Exception {
        Expected wanted = expected(id, answer.getHeaders());
        Path file = answer.getData().toPath();
        // A file that is larger than memory is read through a DigestInputStream.
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
        String found = HexFormat.of().formatHex(digest);
        if (!found.equals(wanted.digest)) {
            throw new Exception("the file has the SHA-256 " + found + ", not " + wanted.digest);
        }
        System.out.println("downloaded, checked by " + wanted.source + ": " + found);
        return file;
    }

    /** The problem document that a call ended with: the client has its text only. */
    private Problem problem(ApiException failure) throws Exception {
        return client.getObjectMapper().readValue(failure.getResponseBody(), Problem.class);
    }

    private ApiException failure(UUID id, String ifNoneMatch) {
        try {
            exports.getExport(APIGetExportRequest.newBuilder().id(id).ifNoneMatch(ifNoneMatch).build());
        } catch (ApiException failure) {
            return failure;
        }
        throw new IllegalStateException("it did not fail");
    }

    private void run(Path file, Scenario unknown) throws Exception {
        CreateExportRequest request = new CreateExportRequest()
            .provider(CreateExportRequest.ProviderEnum.POWER_BI)
            .name("Quarterly ledger")
            .powerBI(new PowerBIOptions().groupId(GROUP).reportId(REPORT).format(PowerBIOptions.FormatEnum.CSV));
        Export export = exports.createExport(APICreateExportRequest.newBuilder()
            .createExportRequest(request)
            .idempotencyKey(UUID.randomUUID().toString())
            .build());
        UUID id = export.getId();
        System.out.println("created: " + id);
        while (export.getCompletedAt() == null) {
            // The answer is held back until something changes.
            export = exports.getExport(APIGetExportRequest.newBuilder().id(id).prefer("wait=30").build());
        }
        System.out.println("ended " + export.getStatus());
        if (!listed(id)) {
            throw new Exception("it is not in the list");
        }
        System.out.println("listed: " + id);
        Path content = checked(id, exports.downloadExportFileWithHttpInfo(
            APIDownloadExportFileRequest.newBuilder().id(id).fileId(export.getFiles().get(0).getId()).build()));
        Files.move(content, file, StandardCopyOption.REPLACE_EXISTING);
        Files.delete(checked(id, exports.downloadExportContentWithHttpInfo(
            APIDownloadExportContentRequest.newBuilder().id(id).build())));

        Problem missing = problem(failure(UUID.randomUUID(), null));
        System.out.println(missing.getStatus() + " " + missing.getCode() + ": " + missing.getRequestId());
        Problem refused = unknown.problem(unknown.failure(id, null));
        System.out.println(refused.getStatus() + " " + refused.getCode() + ": " + refused.getRequestId());
        ApiResponse<Export> known = exports.getExportWithHttpInfo(APIGetExportRequest.newBuilder().id(id).build());
        System.out.println(failure(id, known.getHeaders().get("etag").get(0)).getCode());
    }

    public static void main(String[] arguments) throws Exception {
        Scenario scenario = new Scenario(arguments[0], System.getenv("EXPORT_GATEWAY_KEY"));
        scenario.run(Path.of(arguments[1]), new Scenario(arguments[0], "another key"));
    }
}
