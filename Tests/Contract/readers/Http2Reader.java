import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.zip.GZIPInputStream;

/** Prints the protocol and the SHA-256 of the file at an address, as Java's HttpClient gets it over TLS. */
public class Http2Reader {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build();
        for (String coding : new String[] {"identity", "gzip"}) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
                .header("Authorization", arguments[1])
                .header("Accept-Encoding", coding)
                .build();
            var answer = client.send(request, BodyHandlers.ofInputStream());
            String sent = answer.headers().firstValue("Content-Encoding").orElse("identity");
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            InputStream body = sent.equals("gzip") ? new GZIPInputStream(answer.body()) : answer.body();
            byte[] block = new byte[65536];
            for (int count; (count = body.read(block)) >= 0;) digest.update(block, 0, count);
            System.out.println(answer.version() + " " + sent + " " + HexFormat.of().formatHex(digest.digest()));
        }
        System.exit(0);
    }
}
