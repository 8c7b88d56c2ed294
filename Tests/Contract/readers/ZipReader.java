import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.util.Collections;
import java.util.HexFormat;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/** Prints SHA-256, length and name of each member of an archive, by its central directory. */
public class ZipReader {
    public static void main(String[] arguments) throws Exception {
        try (ZipFile archive = new ZipFile(arguments[0])) {
            for (ZipEntry entry : Collections.list(archive.entries())) {
                MessageDigest digest = MessageDigest.getInstance("SHA-256");
                CRC32 checksum = new CRC32();
                try (InputStream bytes = archive.getInputStream(entry)) {
                    byte[] block = new byte[65536];
                    for (int count; (count = bytes.read(block)) >= 0;) {
                        digest.update(block, 0, count);
                        checksum.update(block, 0, count);
                    }
                }
                if (checksum.getValue() != entry.getCrc()) throw new IOException("checksum of " + entry.getName());
                System.out.println(HexFormat.of().formatHex(digest.digest()) + " " + entry.getSize() + " " + entry.getName());
            }
        }
    }
}
