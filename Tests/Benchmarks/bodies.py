"""The files that are downloaded: made from a seed, so that everybody measures the same bytes.

`csv` looks like a paginated report of transactions: ids, dates, people, subjects, amounts, with little that is the same
from row to row. `items` looks like the list of items of an eDiscovery export: some sixty columns, identifiers and paths
that share their beginnings with those of the row before, many flags that are mostly the same or empty. In both, names
and words are drawn with the uneven frequencies of real text (Zipf), ids and times are different in each row. `pst` is a
mail store's mixture
(indices, text in UTF-16, attachments that are compressed already), `pdf` has pictures and deflated pages, and `random`
nothing that can be compressed.
"""

import bisect
import hashlib
import itertools
import os
import random
import zlib
from pathlib import Path

MIB = 1 << 20
KINDS = ("csv", "items", "pst", "pdf", "random")

_SYLLABLES = (
    "an ber cas dor el fin gar hol in jor kel lan mar nor os pel quin ros sal tor ul ver wil xan yor zel "
    "ari bel cor den est fal gren hart isk jan kov lin mont nes ost pra ral sten tal und vik wes zak"
).split()
_WORDS = (
    "re fw invoice meeting budget contract update quarterly review draft final report project status order delivery "
    "payment request schedule proposal agenda minutes customer account renewal offer approval travel plan forecast "
    "headcount legal hold notice release audit policy training onboarding ticket incident change rollout migration"
).split()
_DOMAINS = "contoso.com fabrikam.com adventure-works.com northwindtraders.com wingtiptoys.com tailspintoys.com".split()
_CITIES = "Berlin Paris London Madrid Milano Vienna Zurich Oslo Lyon Hamburg Seattle Boston Austin Toronto Osaka".split()
_PRODUCTS = [f"{a} {b}" for a in "Mountain Road Touring Urban Trail City".split() for b in
             "Bike Helmet Frame Wheel Saddle Brake Pedal Jersey Gloves Pump Light Lock Bottle Rack".split()]


class Zipf:
    """Draws from a list, its first elements most often."""

    def __init__(self, values, source: random.Random):
        self._values = values
        self._sums = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(len(values))))
        self._random = source.random

    def __call__(self):
        return self._values[bisect.bisect(self._sums, self._random() * self._sums[-1])]


def csv_pieces(size: int, seed: int = 1):
    """Rows of an export, in pieces of some 100 KiB, `size` bytes in all; the last row may be cut."""
    source = random.Random(seed)
    bits = source.getrandbits

    def name(parts):
        return "".join(source.choice(_SYLLABLES) for _ in range(parts)).capitalize()

    people = []
    for _ in range(4000):
        first, last = name(2), name(source.choice((2, 3)))
        people.append((f"{first} {last}", f"{first}.{last}@{source.choice(_DOMAINS)}".lower()))
    person, word = Zipf(people, source), Zipf(_WORDS + [name(2).lower() for _ in range(3000)], source)
    city, product = Zipf(_CITIES, source), Zipf(_PRODUCTS, source)
    status = Zipf(["Completed", "Open", "Shipped", "Cancelled", "Returned", "On hold"], source)
    yield (
        "ItemId,TransactionId,Created,Modified,Owner,OwnerAddress,Recipient,Subject,Product,City,Quantity,UnitPrice,"
        "Amount,Currency,Status\r\n"
    ).encode()
    sent = 125
    number, moment = 1_000_000, 1_672_531_200
    while sent < size:
        rows = []
        for _ in range(512):
            number += 1 + (bits(3) == 0)
            moment += bits(5)
            owner, other = person(), person()
            raw = f"{bits(128):032x}"
            guid = f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"
            quantity, price = 1 + bits(4) % 12, bits(15) / 100
            subject = " ".join(word() for _ in range(3 + bits(3)))
            rows.append(
                f"{number},{guid},{_time(moment)},{_time(moment + bits(17))},{owner[0]},{owner[1]},{other[1]},"
                f"\"{subject}\",{product()},{city()},{quantity},{price:.2f},{quantity * price:.2f},"
                f"{'EUR' if bits(2) else 'USD'},{status()}\r\n"
            )
        piece = "".join(rows).encode()[: size - sent]
        sent += len(piece)
        yield piece


_ITEM_COLUMNS = (
    "Item Identity,Document ID,Family ID,Parent ID,Native MD5,Selected,Duplicate to Item,Original Path,Location,"
    "Location Name,Target Path,Export Path,Custodian,Custodian Address,Subject or Title,Sender or Created by,"
    "Recipients in To line,Recipients in Cc line,Recipients in Bcc line,To Domains,Sender Domain,Expand,"
    "Sent,Received or Created,Modified,Last Saved,Importance,Is Read,Has Attachment,Attachment Count,Attachment Names,"
    "Size,Extracted Text Length,File Class,File Extension,Item Class,Content Type,Internet Message ID,Conversation ID,"
    "Conversation Topic,Thread ID,Thread Position,Is Inclusive,Compliance Tag,Sensitivity Label,Is Encrypted,"
    "Decode Status,Error Type,Error Message,Is Modern Attachment,Version,Team Name,Channel Name,Meeting Start,Meeting End,"
    "Author,Company,Keywords,Language,Load ID,Workload,Query Name,Tags,Export Status"
)


def items_pieces(size: int, seed: int = 5):
    """Rows of the items that an eDiscovery export found, mailbox by mailbox, in pieces of some 300 KiB."""
    source = random.Random(seed)
    bits = source.getrandbits

    def name(parts):
        return "".join(source.choice(_SYLLABLES) for _ in range(parts)).capitalize()

    def guid():
        raw = f"{bits(128):032x}"
        return f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"

    people = []
    for _ in range(2500):
        first, last = name(2), name(source.choice((2, 3)))
        people.append((f"{first} {last}", f"{first}.{last}@{source.choice(_DOMAINS)}".lower()))
    person, word = Zipf(people, source), Zipf(_WORDS + [name(2).lower() for _ in range(3000)], source)
    mail_folder = Zipf(["Inbox", "Sent Items", "Archive", "Deleted Items", "Inbox\\Projects", "Inbox\\Customers",
                        "Recoverable Items\\Purges", "Calendar"], source)
    kind = Zipf([("IPM.Note", "Email", "msg", "message/rfc822"), ("IPM.Note", "Email", "msg", "message/rfc822"),
                 ("", "Document", "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
                 ("", "Document", "pdf", "application/pdf"), ("IPM.Appointment", "Meeting", "ics", "text/calendar"),
                 ("", "Spreadsheet", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
                 ("IPM.SkypeTeams.Message", "Conversation", "html", "text/html")], source)
    label = Zipf(["", "General", "Confidential", "Confidential\\All Employees", "Highly Confidential"], source)
    header = (_ITEM_COLUMNS + "\r\n").encode()
    sent = len(header)
    yield header[:size]
    number, moment, load, left = 0, 1_672_531_200, guid(), 0
    while sent < size:
        rows = []
        for _ in range(256):
            if not left:
                # The next custodian.
                left, owner = 200 + bits(11), person()
                mailbox, site = guid(), owner[1].replace("@", "_").replace(".", "_")
            left -= 1
            number += 1
            moment += bits(6)
            message_class, file_class, extension, content_type = kind()
            sender = owner if bits(2) == 0 else person()
            to = "; ".join(person()[1] for _ in range(1 + bits(2) // 2))
            copied = "; ".join(person()[1] for _ in range(max(0, bits(2) - 1)))
            subject = " ".join(word() for _ in range(2 + bits(3)))
            sent_at, received_at = _time(moment), _time(moment + bits(4))
            is_mail = message_class != ""
            path = (f"{owner[1]}\\Top of Information Store\\{mail_folder()}" if is_mail else
                    f"https://{owner[1].partition('@')[2].partition('.')[0]}-my.sharepoint.com/personal/{site}/Documents/"
                    f"{word().capitalize()}")
            attachments = bits(3) - 5 if is_mail else 0
            names = "; ".join(f"{word()}_{word()}.{source.choice(('pdf', 'docx', 'xlsx', 'png'))}"
                              for _ in range(max(0, attachments)))
            conversation = f"{bits(96):024x}".upper()
            fields = (
                f"{mailbox}_{number:09}", f"DOC{number:09}", f"FAM{number - bits(1):09}", "",
                f"{bits(128):032x}", "True", "", path, owner[1] if is_mail else path.rpartition("/")[0],
                "Primary mailbox" if is_mail else "OneDrive", f"Exchange\\{owner[1]}\\{number:09}.{extension}",
                f"Items\\{number // 10_000:04}\\{number:09}.{extension}", owner[0], owner[1],
                f'"{subject}"', f"{sender[0]} <{sender[1]}>", f'"{to}"', f'"{copied}"', "", to.rpartition("@")[2],
                sender[1].rpartition("@")[2], "None", sent_at, received_at, received_at, "", "Normal",
                "True" if bits(2) else "False", "True" if attachments > 0 else "False", str(max(0, attachments)),
                f'"{names}"', str(2000 + bits(17)), str(200 + bits(13)), file_class, extension, message_class,
                content_type, f"<{conversation}.{bits(64):016x}@{sender[1].rpartition('@')[2]}>" if is_mail else "",
                f"{conversation}{bits(64):016X}", f'"{subject}"', f"{conversation[:16]}", str(bits(2)),
                "True" if bits(1) else "False", "", label(), "False", "Success", "", "", "False", "1.0", "", "", "", "",
                sender[0], "Contoso" if bits(1) else "", "", "en", load, "Exchange" if is_mail else "OneDrive",
                "Q1 review", "Responsive" if bits(2) == 0 else "", "Exported",
            )
            rows.append(",".join(fields))
        piece = ("\r\n".join(rows) + "\r\n").encode()[: size - sent]
        sent += len(piece)
        yield piece


def _time(moment: int) -> str:
    days, seconds = divmod(moment, 86_400)
    return f"{_date(days)}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"


_DATES: dict[int, str] = {}


def _date(days: int) -> str:
    if days not in _DATES:
        # Howard Hinnant's civil_from_days.
        z = days + 719_468
        era, doe = divmod(z, 146_097)
        yoe = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
        doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
        mp = (5 * doy + 2) // 153
        month = mp + 3 if mp < 10 else mp - 9
        _DATES[days] = f"{yoe + era * 400 + (month <= 2):04}-{month:02}-{doy - (153 * mp + 2) // 5 + 1:02}"
    return _DATES[days]


def pst_pieces(size: int, seed: int = 2):
    """A mail store: 64 KiB index pages, message text in UTF-16, and attachments that are compressed already."""
    source = random.Random(seed)
    text = b"".join(csv_pieces(4 * MIB, seed)).decode(errors="ignore").encode("utf-16-le")
    sent = 0
    first = b"!BDN"
    while sent < size:
        kind = source.random()
        if kind < 0.15:
            piece = b"".join(
                source.getrandbits(24).to_bytes(8, "little") + (sent + 64 * n).to_bytes(8, "little")
                for n in range(4096)
            )
        elif kind < 0.45:
            start = source.randrange(0, len(text) - 65_536) & ~1
            piece = text[start : start + 65_536]
        else:
            piece = source.randbytes(65_536 * source.randint(1, 8))
        piece = (first + piece)[: size - sent]
        first = b""
        sent += len(piece)
        yield piece


def pdf_pieces(size: int, seed: int = 3):
    """A report of many pages: objects as text, page contents deflated, pictures that are random."""
    source = random.Random(seed)
    text = b"".join(csv_pieces(4 * MIB, seed))
    piece = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    number, sent = 1, 0
    while sent < size:
        piece = piece[: size - sent]
        sent += len(piece)
        yield piece
        start = source.randrange(0, len(text) - 40_000)
        page = zlib.compress(text[start : start + 40_000], 6)
        picture = source.randbytes(source.randint(20_000, 90_000))
        piece = (
            f"{number} 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {number + 1} 0 R >>\n"
            f"endobj\n{number + 1} 0 obj\n<< /Length {len(page)} /Filter /FlateDecode >>\nstream\n"
        ).encode() + page + (
            f"\nendstream\nendobj\n{number + 2} 0 obj\n<< /Type /XObject /Subtype /Image /Filter /DCTDecode "
            f"/Length {len(picture)} >>\nstream\n"
        ).encode() + picture + b"\nendstream\nendobj\n"
        number += 3


def random_pieces(size: int, seed: int = 4):
    source = random.Random(seed)
    for start in range(0, size, MIB):
        yield source.randbytes(min(MIB, size - start))


_MAKERS = {"csv": csv_pieces, "items": items_pieces, "pst": pst_pieces, "pdf": pdf_pieces, "random": random_pieces}


_EXTENSIONS = {"items": "csv", "random": "bin"}


def make(directory: Path, kind: str, size: int) -> Path:
    """The file of this kind and length in `directory`; made when it is not there. Long files repeat 256 MiB."""
    path = directory / f"{kind}-{size}.{_EXTENSIONS.get(kind, kind)}"
    if path.exists() and path.stat().st_size == size:
        return path
    directory.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as out:
        if size <= 256 * MIB:
            for piece in _MAKERS[kind](size):
                out.write(piece)
        else:
            whole = make(directory, kind, 256 * MIB).read_bytes()
            for start in range(0, size, len(whole)):
                out.write(whole[: size - start])
    os.replace(part, path)
    return path


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
