import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** Prints SHA-256, length and name of each member of an archive that comes on standard input, front to back. */
public class ZipStream {
    public static void main(String[] arguments) throws Exception {
        try (ZipInputStream archive = new ZipInputStream(System.in)) {
            for (ZipEntry entry; (entry = archive.getNextEntry()) != null;) {
                MessageDigest digest = MessageDigest.getInstance("SHA-256");
                long length = 0;
                byte[] block = new byte[65536];
                for (int count; (count = archive.read(block)) >= 0; length += count) digest.update(block, 0, count);
                System.out.println(HexFormat.of().formatHex(digest.digest()) + " " + length + " " + entry.getName());
            }
        }
    }
}
