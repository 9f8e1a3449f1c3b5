"""Bodies: transfer encodings, charsets, characters, and plain mass."""

import base64

from .build import BODY, HEAD, encoded, fill, repeated, shape, typed

PLAIN = typed(b"text/plain; charset=utf-8")

# ---- transfer encodings ------------------------------------------------------

repeated("base64 with a wrong end", encoded(b"base64"), b"aW52b2ljZQ=\r\n")
repeated("base64 with foreign letters", encoded(b"base64"), b"aW!52*b2\xfflj\0ZQ==\r\n")
repeated("base64, one letter a line", encoded(b"base64"), b"a\r\nW\r\n5\r\n2\r\n")
repeated("base64 of equals signs", encoded(b"base64"), b"=")
repeated("base64 of line breaks", encoded(b"base64"), b"\r\n")
repeated("base64 that is text", encoded(b"base64"), b"This, however, was never encoded at all.\r\n")
repeated("base64 of NULs", encoded(b"base64"), b"AAAA")
repeated("quoted-printable with soft breaks", encoded(b"quoted-printable"), b"=\r\n")
repeated("quoted-printable of equals signs", encoded(b"quoted-printable"), b"=")
repeated("quoted-printable in one line", encoded(b"quoted-printable"), b"=C3=BC ")
repeated("quoted-printable with foreign letters", encoded(b"quoted-printable"), b"=ZZ=4=\xff=\0= =3d\r\n")
repeated("quoted-printable with blanks at the end", encoded(b"quoted-printable"), b"a" + b" \t" * 40 + b"\r\n")
repeated("quoted-printable of blanks", encoded(b"quoted-printable") + b"a", b" ", b"\r\n")
repeated("quoted-printable of everything", encoded(b"quoted-printable"), b"=C3=BC=00=0D=0A")
repeated("unknown transfer encoding", encoded(b"x-rot13"), b"vaibvpr\r\n")
repeated("binary", encoded(b"binary"), bytes(range(256)))
repeated("flowed", typed(b"text/plain; format=flowed; delsp=yes"), b"invoice \r\n")
repeated("flowed quotes", typed(b"text/plain; format=flowed"), b">" * 70 + b" a \r\n")
repeated("flowed quotes of changing depth", typed(b"text/plain; format=flowed"), b"> a \r\n>> b \r\n c \r\n-- \r\n")
repeated("quotes", PLAIN, b"> " * 35 + b"a\r\n")

# ---- files in text -------------------------------------------------------------

UU_LINE = b"M" + b"7&5R" * 15 + b"\r\n"
BASE64_LINE = b"iQEzBAEBCAAdFiEEabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL\r\n"

repeated("files that begin and begin", PLAIN, b"begin 644 a{n}.pdf\r\n")
repeated("small files in text", PLAIN, b"begin 644 a{n}.pdf\r\n#86%A\r\n`\r\nend\r\n")
repeated("a large file in text", PLAIN + b"begin 644 a.pdf\r\n", UU_LINE, b"`\r\nend\r\n")
repeated("the middle of a file in text", PLAIN, UU_LINE)
repeated("a large file of blanks in text", PLAIN + b"begin 644 a.pdf\r\n" + UU_LINE, b"M\r\n")
repeated("Base64 in text", PLAIN, BASE64_LINE)
repeated("Base64 and words in text", PLAIN, BASE64_LINE * 2 + b"invoice\r\n")
repeated("Base64 without line breaks in text", PLAIN, b"aW52b2ljZQ")
repeated("files by yEnc", PLAIN, b"=ybegin line=128 size=9 name=a{n}\r\n*+-*+-*+-\r\n=yend size=9\r\n")
repeated("yEnc that begins and begins", PLAIN, b"=ybegin line=128 size=9 name=a\r\ninvoice\r\n")
repeated("a large file by yEnc", PLAIN + b"=ybegin line=128 size=9 name=a\r\n", b"*+-=}" * 25 + b"\r\n")
repeated("BinHex that begins and begins", PLAIN, b"(This file must be converted with BinHex 4.0)\r\n\r\n:#86%A\r\n")
repeated(
    "a large file by BinHex", PLAIN + b"(This file must be converted with BinHex 4.0)\r\n:", b"#86%" * 16 + b"\r\n"
)
repeated("armour that begins and begins", PLAIN, b"-----BEGIN PGP MESSAGE-----\r\nVersion: {n}\r\n")
repeated("armour around nothing", PLAIN, b"-----BEGIN A-----\r\n-----END A-----\r\n")
repeated("signed texts in signed texts", PLAIN, b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA1\r\n\r\n")
repeated("armour with dashes", PLAIN, b"- ")
repeated("quoted files in text", PLAIN, b"> begin 644 a.pdf\r\n> " + UU_LINE)

# ---- charsets ----------------------------------------------------------------

CHARSETS = [
    b"us-ascii",
    b"utf-8",
    b"utf-7",
    b"utf-16",
    b"utf-16le",
    b"utf-16be",
    b"utf-32",
    b"iso-8859-1",
    b"iso-8859-8-i",
    b"windows-1252",
    b"koi8-r",
    b"gb18030",
    b"gb2312",
    b"big5",
    b"shift_jis",
    b"euc-jp",
    b"iso-2022-jp",
    b"iso-2022-kr",
    b"euc-kr",
    b"hz-gb-2312",
    b"iso-2022-cn",
    b"cp50221",
    b"johab",
    b"cp437",
    b"cp037",
    b"utf-7-imap",
    b"x-user-defined",
    b"replacement",
    b"macintosh",
    b"ibm866",
    b"x-unknown",
    b"\xff",
    b"utf-8;utf-16",
    b"'utf-8'",
    b"",
    b"binary",
    b"ansi_x3.110-1983",
    b"utf-8" * 50,
]


@shape
def charset_lies(size, chance):
    return typed(b"text/plain; charset=" + chance.choice(CHARSETS)) + chance.randbytes(size)


@shape
def charset_lies_in_base64(size, chance):
    return encoded(b"base64", b'text/html; charset="%b"' % chance.choice(CHARSETS)) + base64.encodebytes(
        chance.randbytes(size * 3 // 4)
    )


@shape
def charset_lies_with_words(size, chance):
    return typed(b"text/plain; charset=" + chance.choice(CHARSETS)) + fill(
        "größer, Größe, пример, 例, 😀\r\n".encode(), size
    )


repeated("UTF-8 cut short", PLAIN, b"\xe2\x82 \xf0\x9f\x98\r\n")
repeated("UTF-8 too long", PLAIN, b"\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf\xfc\x80\x80\x80\x80\xaf\r\n")
repeated("UTF-8 of surrogates", PLAIN, b"\xed\xa0\x80\xed\xb0\x80\xef\xbf\xbf\r\n")
repeated("continuation bytes only", PLAIN, b"\x80\xbf")
repeated("UTF-7", typed(b"text/plain; charset=utf-7"), b"+ADw-script+AD4- +2D0 +-")
repeated("UTF-7 without an end", typed(b"text/plain; charset=utf-7") + b"+", b"ADwA")
repeated("UTF-16", typed(b"text/plain; charset=utf-16"), "invoice\r\n".encode("utf-16"))
repeated("UTF-16 of half pairs", typed(b"text/plain; charset=utf-16le"), b"\x00\xd8a\0")
repeated("UTF-32", typed(b"text/plain; charset=utf-32"), "invoice\r\n".encode("utf-32"))
repeated("ISO-2022-JP escapes", typed(b"text/plain; charset=iso-2022-jp"), b"\x1b$B\x1b(B\x1b$")
repeated("HZ shifts", typed(b"text/plain; charset=hz-gb-2312"), b"~{Dc~}~")
repeated("Johab signs", typed(b"text/plain; charset=johab"), b"\xd9\x31")
repeated("ISO-2022-JP without an end", typed(b"text/plain; charset=iso-2022-jp") + b"\x1b$B", b"$J")
repeated("GB 18030 of four bytes", typed(b"text/plain; charset=gb18030"), b"\x84\x31\xa4\x37\x81\x30")
repeated("windows-1252 of what grows", typed(b"text/plain; charset=windows-1252"), b"\x80\x85\x99")

# ---- characters --------------------------------------------------------------

repeated("NULs", PLAIN, b"\0")
repeated("NULs in words", PLAIN, b"in\0voice\0 ")
repeated("zero width", PLAIN, "i\u200bn\u200cv\u200do\u2060i\ufeffc\u00ade ".encode())
repeated("zero width only", PLAIN, "\u200b".encode())
repeated("right to left", PLAIN, "\u202e\u2066ecioivni\u2069\u202c ".encode())
repeated("combining marks", PLAIN + b"a", "\u0301".encode())
repeated("characters that unfold", PLAIN, "\ufdfa\u3316".encode())
repeated("emoji of many parts", PLAIN, "\U0001f468\u200d\U0001f469\u200d\U0001f467\ufe0f".encode())
repeated("control characters", PLAIN, bytes(range(1, 32)) + b"\x7f")
repeated("line separators", PLAIN, "a\u2028b\u2029c\x85\x0b\x0c".encode())
repeated("words of one letter", PLAIN, b"a ")
repeated("web addresses", PLAIN, b"https://www.example{n}.org/a/b?c=d ")
repeated("mail addresses", PLAIN, b"ann{n}@example.org ")
repeated("words in capitals", PLAIN, b"IN.VOI-CE_{n}!!! $$$ ")


@shape
def different_words(size, chance):
    text = chance.randbytes(size // 2).hex().encode()
    return PLAIN + b" ".join(text[n : n + 7] for n in range(0, len(text), 8))


# ---- mass --------------------------------------------------------------------

repeated("one line", PLAIN, b"x")
repeated("one line of words", PLAIN, b"invoice ")
repeated("line breaks", PLAIN, b"\n")
repeated("CRLF line breaks", PLAIN, b"\r\n")
repeated("bare returns", PLAIN, b"\r")
repeated("bare returns between words", PLAIN, b"invoice\r")
repeated("blanks", PLAIN, b" ")
repeated("blank lines", PLAIN, b"  \t \r\n")
repeated("ordinary text", PLAIN, BODY)
repeated("only line breaks", b"", b"\r\n")
repeated("only bare returns", b"", b"\r")
repeated("only NULs", b"", b"\0")
repeated("only hyphens", b"", b"--\r\n")
repeated("no header", b"\r\n", BODY)


@shape
def random_bytes(size, chance):
    return chance.randbytes(size)


@shape
def random_body(size, chance):
    return HEAD + b"\r\n" + chance.randbytes(size)


@shape
def next_to_nothing(_, chance):
    return chance.choice(
        [
            b"",
            b"\n",
            b"\r",
            b"From ",
            b"From \n",
            b":",
            b"a",
            b"\0",
            b"a:",
            b"a:\n",
            b"--",
            b"\r\n\r\n",
            b"\xff",
            b"=",
            b" a: b\n\n",
            b"\n\n\n",
        ]
    )


@shape
def cut_anywhere(size, chance):
    """An ordinary message that stops in the middle."""
    raw = typed(b'multipart/mixed; boundary="b"') + b"--b\r\nContent-Type: text/html; charset=utf-8\r\n"
    raw += b'Content-Transfer-Encoding: quoted-printable\r\n\r\n<p title=3D"a">gr=C3=BC=C3=9Fe &amp; <b>mehr</b>=\r\n</p>\r\n--b\r\n'
    raw += b"Content-Type: application/pdf;\r\n name*0*=utf-8''gr%C3%BC;\r\n name*1=b.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    raw += base64.encodebytes(chance.randbytes(300)) + b"--b--\r\n"
    return fill(raw, size)[: chance.randint(0, size)]
