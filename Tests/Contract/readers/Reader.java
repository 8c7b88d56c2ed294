import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.zip.GZIPInputStream;

/** Prints the SHA-256 of the file at an address, as Java's two HTTP clients and its gzip reader see it. */
public class Reader {
    public static void main(String[] arguments) throws Exception {
        URI address = URI.create(arguments[0]);
        String key = arguments[1];
        for (String coding : new String[] {"identity", "gzip"}) {
            HttpRequest request = HttpRequest.newBuilder(address)
                .version(HttpClient.Version.HTTP_1_1)
                .header("Authorization", key)
                .header("Accept-Encoding", coding)
                .build();
            var answer = HttpClient.newHttpClient().send(request, BodyHandlers.ofInputStream());
            String sent = answer.headers().firstValue("Content-Encoding").orElse("identity");
            System.out.println("HttpClient " + sent + " " + digest(decoded(answer.body(), sent)));

            HttpURLConnection connection = (HttpURLConnection) address.toURL().openConnection();
            connection.setRequestProperty("Authorization", key);
            connection.setRequestProperty("Accept-Encoding", coding);
            sent = connection.getContentEncoding() == null ? "identity" : connection.getContentEncoding();
            System.out.println("HttpURLConnection " + sent + " " + digest(decoded(connection.getInputStream(), sent)));
        }
    }

    private static InputStream decoded(InputStream body, String coding) throws Exception {
        return coding.equals("gzip") ? new GZIPInputStream(body) : body;
    }

    private static String digest(InputStream body) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        byte[] block = new byte[65536];
        for (int count; (count = body.read(block)) >= 0;) digest.update(block, 0, count);
        return HexFormat.of().formatHex(digest.digest());
    }
}
