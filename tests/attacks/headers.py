"""Header sections: fields, encoded words, addresses, dates, parameters."""

from .build import BODY, HEAD, fill, repeated, shape

END = b"\r\n\r\n" + BODY
FROM = b"From: "


def field(name, head, unit, tail=b""):
    """A shape that is one long field before an ordinary body."""
    repeated(name, head, unit, tail + END)


# ---- fields ------------------------------------------------------------------

field("many fields", HEAD, b"X-Field-{n}: value\r\n")
field("one field many times", HEAD, b"Received: from a by b; Tue, 3 Mar 2026 10:00:00 +0100\r\n")
field("many subjects", b"", b"Subject: hello {n}\r\n")
field("many senders", b"", b"From: a{n}@example.org\r\n")
field("many content types", HEAD, b"Content-Type: multipart/mixed; boundary=b{n}\r\n")
field("many transfer encodings", HEAD, b"Content-Transfer-Encoding: base64\r\n")
field("one long field", HEAD + b"X-Long: ", b"x")
field("long subject", b"Subject: ", b"invoice ")
field("subject without a space", b"Subject: ", b"x")
field("long name", HEAD, b"x", b": value")
field("folded without end", b"Subject:", b"\r\n invoice")
field("folded by tabs", b"Subject: a", b"\r\n\t")
field("folded in blank lines", b"Subject: a", b"\r\n \r\n ")
field("fields without a colon", HEAD, b"not a field\r\n")
field("fields without a name", HEAD, b": value\r\n")
field("colons", b"", b":")
field("colons in lines", b"", b":\r\n")
field("NUL in fields", HEAD, b"X-Nul: a\0b\r\nSub\0ject: c\0\r\n")
field("bare returns in the header", b"Subject: a", b"\rX-Next: b")
field("8 bit in the header", b"Subject: ", b"\xe4\xf6\xfc\xff ")
field("UTF-8 cut in the header", b"Subject: ", b"\xf0\x9f\x98 ")
repeated("header without an end", b"", b"X-Field-{n}: value\r\n")
repeated("blank lines first", b"\r\n" * 3, b"\r\n", HEAD + END)
repeated(
    "mbox lines",
    b"From ann@example.org Tue Mar  3 10:00:00 2026\r\n",
    b"From ann@example.org Tue Mar  3 10:00:00 2026\r\n",
    HEAD + END,
)
repeated("mbox lines quoted", HEAD + b"\r\n", b">>>>From ann\r\n>From ben\r\n")
field("mailing list", b"List-Id: ", b"<a.b.c> (x) ")
field("mailer", b"X-Mailer: ", b"Mailer/1.0 (x) ")

# ---- encoded words -----------------------------------------------------------

field("encoded words", b"Subject:", b" =?utf-8?q?invoice?=")
field("encoded words in base64", b"Subject:", b" =?utf-8?b?aW52b2ljZQ==?=")
field("encoded words without a space", b"Subject: ", b"=?utf-8?q?invoice?=")
field("empty encoded words", b"Subject: ", b"=?utf-8?q??= ")
field("nested encoded words", b"Subject: ", b"=?utf-8?q?")
field("nested encoded words with an end", b"Subject: ", b"=?utf-8?q?=3D=3Futf-8=3Fq=3F?=")
field("half encoded words", b"Subject: ", b"=?utf-8?")
field("beginnings of encoded words", b"Subject: ", b"=?")
field("one long encoded word", b"Subject: =?utf-8?b?", b"aW52b2lj", b"?=")
field("one long encoded word without an end", b"Subject: =?utf-8?q?", b"=C3=BC")
field("encoded words that never end", b"Subject: ", b"=?a?q?x ")
field("recipients in encoded words that never end", b"To: ", b"=?a?q?x ")
field("many fields of encoded words that never end", b"", b"To: " + b"=?a?q?x " * 4000 + b"\r\n")
field("senders in encoded words that never end", b"", b"From: (" + b"=?a?q?x " * 4000 + b"\r\n")
field("encoded words that end far away", b"From: (", b"=?a?z?x ", b"?=")
field("encoded words in unknown charsets", b"Subject:", b" =?x-no-{n}?q?=FC?=")
field("encoded words with languages", b"Subject:", b" =?iso-8859-1*de{n}?q?=FC?=")
field("encoded words that cut a character", b"Subject:", b" =?utf-8?b?4g==?= =?utf-8?b?gqw=?=")
field("encoded words of NUL and line breaks", b"Subject:", b" =?utf-8?q?=00=0D=0AX-Field:=20a?=")
field("encoded words in names", FROM, b"=?utf-8?q?=22Ann=22_=3Cben=40example=2Eorg=3E?= ")
field("encoded words in ISO-2022-JP", b"Subject:", b" =?iso-2022-jp?b?GyRCJEobKEI=?= =?iso-2022-jp?b?GyRC?=")

# ---- addresses ---------------------------------------------------------------

field("nested comments", FROM + b"a", b"(", b"@example.org")
field("nested comments with an end", FROM + b"a", b"(()(", b")" * 400)
field("comments", FROM + b"a", b"(b) ")
field("quotes", FROM, b'"')
field("quote without an end", FROM + b'"', b"a ")
field("backslashes", FROM + b'"', b"\\")
field("many recipients", b"To: a@example.org", b", ben{n}@example.org")
field("many named recipients", b"To: a@example.org", b',\r\n "Ben, {n}" <ben{n}@example.org>')
field("many fields of recipients", b"", b"To: a{n}@example.org, b\r\n")
field("groups", b"To: ", b"group {n}: a@example.org, b@example.org; ")
field("groups without an end", b"To: ", b"group:")
field("semicolons", b"To: ", b";")
field("commas", b"To: ", b",")
field("angle brackets", FROM, b"<")
field("angle brackets closed", FROM, b"<>")
field("routes", FROM + b"<", b"@example{n}.org,", b":a@example.org>")
field("at signs", FROM, b"@")
field("dots", FROM, b"a.", b"@example.org")
field("square brackets", FROM, b"[")
field("many fields of nothing but brackets", b"", b"To: " + b"[" * 32_000 + b":\r\n")
field("long address", FROM, b"a", b"@example.org")

# ---- ids and dates -----------------------------------------------------------

field("references", HEAD + b"Message-ID: <a@example.org>\r\nReferences:", b" <{n}@example.org>")
field("references without brackets", HEAD + b"References:", b" {n}@example.org")
field("references without an end", HEAD + b"References:", b" <{n}@example.org")
field("answers to many", HEAD + b"In-Reply-To:", b" <{n}@example.org>")
field("comments in a date", HEAD + b"Date: Tue, 3 Mar 2026 10:00:00 +0100 ", b"(")
field("date of digits", HEAD + b"Date: ", b"9")
field("date of spaces", HEAD + b"Date: Tue,", b" ", b"3 Mar 2026 10:00:00 +0100")
field(
    "dates of digits", HEAD, b"Date: 99999999999 Dec 99999999999 99999999999:99999999999:99999999999 +99999999999\r\n"
)

DATES = [
    b"Thu, 31 Dec 9999 23:59:60 -9999",
    b"1 Jan 0000 00:00:00 +0000",
    b"1 Jan -1 00:00:00 +0000",
    b"31 Feb 2026 25:61:61 +2500",
    b"",
    b"Tue, 3 Mar 65535 10:00:00 +0100",
    b"3 Mar 4294967296 10:00:00",
    b"3 Mar 294277 10:00:00 +0000",
    b"3 Mar 18446744073709551616 10:00:00",
    b"0 Nul 0 0:0:0 GMT",
    b"3 Mar 26 10:00 PDT",
    b"2026-03-03T10:00:00Z",
    b"1 Jan 1 00:00:00 +9959",
    b"3 3 3 3 3 3 3 3 3 3",
    b"\xff\xfe",
]


@shape
def impossible_dates(size, chance):
    return (
        HEAD
        + b"Date: "
        + chance.choice(DATES)
        + b"\r\nReceived: x; "
        + chance.choice(DATES)
        + b"\r\n\r\n"
        + fill(BODY, size)
    )


@shape
def long_message_id(size, chance):
    """So long, and so random, that no index could hold it."""
    text = chance.randbytes(min(size, 200_000) // 2).hex().encode()
    return (
        HEAD
        + b"".join(
            b"%b: <%b@example.org>\r\n" % (name, text) for name in (b"Message-ID", b"In-Reply-To", b"References")
        )
        + b"\r\n"
        + BODY
    )


@shape
def long_everything(size, chance):
    """The same for whatever else might be in an index."""
    text = chance.randbytes(max(size, 50) // 10).hex().encode()
    names = b"From", b"Subject", b"List-Id", b"X-Mailer", b"To"
    return b"".join(b"%b: %b\r\n" % (name, text) for name in names) + b"\r\n" + text + b"\r\n"


# ---- parameters (RFC 2231) ---------------------------------------------------

TYPE = HEAD + b"Content-Type: application/pdf"
field("parameters", TYPE, b"; a{n}=b")
field("one parameter many times", TYPE, b"; name=a{n}.pdf")
field("continuations", TYPE, b"; name*{n}=invoice")
field("encoded continuations", TYPE, b"; name*{n}*=utf-8''%C3%BC")
field("continuations with the same number", TYPE, b"; name*0*=utf-8''%C3%BC{n}")
field("continuations with large numbers", TYPE, b"; name*{n}99999999999=a")
field("continuations of many names", TYPE, b"; a{n}*0=b; a{n}*1=c")
field("per cent signs", TYPE + b"; name*=utf-8''", b"%")
field("extended value in an unknown charset", TYPE + b"; name*=x-no''", b"%FC")
field("quoted parameter without an end", TYPE + b'; name="', b"a\\")
field("semicolons in a type", TYPE, b";")
field("long type", HEAD + b"Content-Type: ", b"text/")
field("name with a path", TYPE + b'; name="', b"../", b'passwd"')
field("disposition", TYPE + b"\r\nContent-Disposition: attachment", b"; filename*{n}*=utf-8''%E2%80%AE")
