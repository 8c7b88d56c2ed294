import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Follows an export from its creation to its file with Java's default {@code HttpClient}, by the contract alone: it stops when
 * there is a {@code completedAt}, whatever the status is.
 *
 * <p>Arguments: the address of {@code /exports}, {@code Authorization}, and the body. After "created" it waits for a line.
 */
public class Follow {
    // No version, no time limit: it asks for h2c with every request.
    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    private static String authorization;

    public static void main(String[] arguments) throws Exception {
        authorization = arguments[1];
        HttpResponse<String> created = CLIENT.send(
            request(URI.create(arguments[0]))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(arguments[2]))
                .build(),
            HttpResponse.BodyHandlers.ofString());
        URI export = created.uri().resolve(created.headers().firstValue("Location").orElseThrow());
        System.out.println("created " + created.statusCode() + " " + export);
        System.in.read();
        HttpResponse<String> answer;
        do {
            answer = CLIENT.send(
                request(export).header("Prefer", "wait=5").build(), HttpResponse.BodyHandlers.ofString());
        } while (find("\"completedAt\":\"([^\"]+)\"", answer.body()) == null);
        String error = find("\"error\":\\{[^}]*?\"code\":\"([^\"]+)\"", answer.body());
        System.out.println("ended " + find("\"status\":\"([^\"]+)\"", answer.body()) + " " + error);
        String files = find("\"files\":(\\[[^]]*])", answer.body());
        String href = find("\"href\":\"([^\"]+)\"", files);
        URI content = href == null ? URI.create(export + "/content") : export.resolve(href);
        HttpResponse<InputStream> file =
            CLIENT.send(request(content).build(), HttpResponse.BodyHandlers.ofInputStream());
        byte[] bytes = file.body().readAllBytes();
        String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        String code = file.statusCode() == 200 ? digest : find("\"code\":\"([^\"]+)\"", new String(bytes, "UTF-8"));
        System.out.println("file " + file.statusCode() + " " + code);
    }

    private static HttpRequest.Builder request(URI address) {
        return HttpRequest.newBuilder(address).header("Authorization", authorization);
    }

    private static String find(String pattern, String text) {
        Matcher matcher = Pattern.compile(pattern, Pattern.DOTALL).matcher(text);
        return matcher.find() ? matcher.group(1) : null;
    }
}
