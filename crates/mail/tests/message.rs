//! Raw messages: what is read of them, whatever they are.
#![allow(missing_docs, clippy::unwrap_used)]

use pg_triage_mail::{Attachment, Limits, Message, content_hash, parse};

fn read(raw: &str) -> Message {
    parse(raw.as_bytes(), &Limits::default(), &|| ())
}

fn hash(raw: &str) -> String {
    content_hash(raw.as_bytes(), &|| ())
}

/// A multipart with boundary `b` and these parts.
fn multipart(subtype: &str, parts: &[&str]) -> String {
    let parts: String = parts.iter().map(|p| format!("--b\n{p}\n")).collect();
    format!(
        "Subject: s\nContent-Type: multipart/{subtype}; boundary=b\n\npreamble\n{parts}--b--\nepilogue\n"
    )
}

/// Body of a multipart.
fn body_of(subtype: &str, parts: &[&str]) -> String {
    read(&multipart(subtype, parts)).body
}

const PLAIN: &str = "Content-Type: text/plain\n\nThe offer that you asked for is attached to this message, as a document of two pages; it holds until Friday.";
const HTML: &str = "Content-Type: text/html\n\n<p>The <b>offer</b>.</p>";
const PDF: &str =
    "Content-Type: application/pdf; name=offer.pdf\nContent-Transfer-Encoding: base64\n\naGVsbG8=";

// ---- which text --------------------------------------------------------------

#[test]
fn of_alternatives_the_plain_one_is_read() {
    let body = body_of("alternative", &[PLAIN, HTML]);
    assert!(body.starts_with("The offer that you"), "{body}");
    assert_eq!(body_of("alternative", &[HTML, PLAIN]), body);
    assert_eq!(body_of("alternative", &[HTML]), "The offer.");
    assert_eq!(body_of("alternative", &[PDF, HTML]), "The offer.");
}

#[test]
fn html_is_read_where_plain_text_only_stands_in_for_it() {
    let long = format!(
        "Content-Type: text/html\n\n<p>{}",
        "many words ".repeat(100)
    );
    let stand_in = "\nYour program cannot show HTML.";
    assert!(body_of("alternative", &["\n \n", HTML]).starts_with("The offer."));
    assert!(body_of("alternative", &[stand_in, &long]).starts_with("many words"));
    // Short, but so is the HTML.
    assert_eq!(
        body_of(
            "alternative",
            &["\nYes.", "Content-Type: text/html\n\n<p>Yes."]
        ),
        "Yes."
    );
}

#[test]
fn all_texts_that_are_in_a_row_are_read() {
    assert_eq!(
        body_of(
            "mixed",
            &[
                "\none\n\n",
                PDF,
                HTML,
                "Content-Type: text/csv\n\na,b",
                "\ntwo"
            ]
        ),
        "one\n\nThe offer.\n\ntwo"
    );
    assert_eq!(body_of("unheard-of", &["\none", "\ntwo"]), "one\n\ntwo");
    let attached = "Content-Disposition: attachment; filename=a.txt\n\nattached";
    assert_eq!(body_of("mixed", &["\none", attached]), "one");
}

#[test]
fn of_related_parts_the_document_is_read() {
    let named = "Content-Type: text/plain; name=style.css\n\np {}";
    let referred = "Content-Type: text/html\nContent-ID: <1>\n\n<p>frame";
    assert_eq!(
        body_of("related", &[HTML, named, referred, "\nadded"]),
        "The offer.\n\nadded"
    );
}

#[test]
fn a_message_that_is_one_text_shows_it() {
    for header in [
        "Content-Disposition: attachment; filename=a.txt\n",
        "Content-Type: text/x-unknown\n",
        "Content-Type: nonsense\n",
        "Content-Type: multipart/mixed\n",
        "Content-Type: multipart/mixed; boundary=nowhere\n",
        "",
    ] {
        assert_eq!(
            read(&format!("Subject: s\n{header}\nhello\n")).body,
            "hello",
            "{header}"
        );
    }
    assert_eq!(read("Content-Type: application/pdf\n\nhello").body, "");
    assert_eq!(read("Subject: s\n\n <!DOCTYPE html><p>hello").body, "hello");
    assert_eq!(read("Content-Type: text/plain\n\n<html>").body, "<html>");
}

#[test]
fn what_browsers_do_not_believe_of_html_is_not_believed() {
    let words = "Buy watches and pills at half the price, today and on all other days \u{e4}.";
    for label in [
        "utf-16",
        "utf-16be",
        "utf-32",
        "utf-7",
        "hz-gb-2312",
        "cp037",
        "x-unknown",
    ] {
        for meta in [
            format!("<meta charset={label}>"),
            format!("<meta http-equiv=Content-Type content='text/html; charset={label}'>"),
        ] {
            for begin in ["", "~{", "+"] {
                let raw = format!("Content-Type: text/html\n\n{meta}<p>{begin}{words}");
                assert_eq!(read(&raw).body, format!("{begin}{words}"), "{meta}");
            }
        }
        // Of a header: what is all of one byte a character is no text of two.
        let raw = format!("Content-Type: text/plain; charset={label}\n\n{words}");
        let text = read(&raw).body;
        assert!(
            !label.starts_with("utf-16") || text == words,
            "{label} {text}"
        );
    }
}

#[test]
fn charsets_and_transfer_encodings_are_decoded() {
    let html = "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n<meta charset=3Dkoi8-r><p>=D0=D2=C9";
    assert_eq!(read(html).body, "при");
    let flowed = "Content-Type: text/plain; format=flowed; DelSp=yes\n\nlong li \nne\n";
    assert_eq!(read(flowed).body, "long line");
    assert_eq!(read("\n\ta\0b\x07\x0cc\n\n\n").body, "\tab\nc");
}

#[test]
fn messages_in_a_message_come_last() {
    let inner = "Content-Type: message/rfc822\n\nFrom: Ann <ann@example.org>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\ninner";
    let m = read(&multipart("mixed", &[inner, "\nouter"]));
    assert_eq!(
        m.body,
        "outer\n\nSubject: Grüße\nFrom: Ann <ann@example.org>\n\ninner"
    );
    assert_eq!(m.subject.as_deref(), Some("s"));
    assert_eq!(m.attachments.len(), 1);
    assert_eq!(m.attachments[0].media_type, "message/rfc822");

    assert_eq!(
        body_of("digest", &["\nSubject: a\n\none", "\nSubject: b\n\ntwo"]),
        "Subject: a\n\none\n\nSubject: b\n\ntwo"
    );
    let encoded = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogYQoKaW5uZXI=";
    assert_eq!(body_of("mixed", &[encoded]), "Subject: a\n\ninner");
}

// ---- structure ---------------------------------------------------------------

/// Parts `one` and `two` with this boundary, as it is written in the header.
fn two_parts(written: &str, boundary: &str) -> String {
    format!(
        "Content-Type: multipart/mixed; boundary={written}\n\n--{boundary}\n\none\n--{boundary}  \n\ntwo\n--{boundary}--\nbehind"
    )
}

#[test]
fn boundaries_of_all_kinds_are_found() {
    let long = "x".repeat(100);
    for (written, boundary) in [
        ("b", "b"),
        ("\"a b:c\"", "a b:c"),
        ("----=_x", "----=_x"),
        ("\"a\\\"b\"", "a\"b"),
        ("b ; x=y", "b"),
        (&long, &long),
    ] {
        assert_eq!(
            read(&two_parts(written, boundary)).body,
            "one\n\ntwo",
            "{written}"
        );
    }
}

#[test]
fn boundaries_that_begin_like_each_other_are_told_apart() {
    let inner =
        "Content-Type: multipart/mixed; boundary=bb\n\n--bb\n\ninner\n--bbb\n--bb--\nbetween";
    assert_eq!(
        body_of("mixed", &[inner, "\nouter"]),
        "inner\n--bbb\n\nouter"
    );
}

#[test]
fn multiparts_that_do_not_end_are_read() {
    let open = "Content-Type: multipart/mixed; boundary=c\n\n--c\n\ninner";
    assert_eq!(body_of("mixed", &[open, "\nouter"]), "inner\n\nouter");
    assert_eq!(
        read("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nopen").body,
        "open"
    );
    assert_eq!(
        read("Content-Type: multipart/mixed; boundary=b\n--b\n\nno empty line").body,
        "no empty line"
    );
    // The same boundary within.
    let cyclic = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ninner";
    assert_eq!(body_of("mixed", &[cyclic, "\nouter"]), "inner\n\nouter");
}

#[test]
fn messages_without_header_or_with_an_envelope_are_read() {
    assert_eq!(
        read("Hello,\nthis is: text\n").body,
        "Hello,\nthis is: text"
    );
    assert_eq!(read("").body, "");
    let m = read("From ann Mon Jan  5 10:00:00 2026\nSubject: s\n\nhello\n");
    assert_eq!(
        (m.subject.as_deref(), m.body.as_str()),
        (Some("s"), "hello")
    );
}

#[test]
fn line_ends_of_all_kinds_are_read() {
    let lf = format!(
        "From: Ann\n <ann@example.org>\n{}",
        multipart("mixed", &["\none\n\ntwo", HTML, PDF])
    );
    let m = read(&lf);
    assert_eq!(m.body, "one\n\ntwo\n\nThe offer.");
    assert_eq!(read(&lf.replace('\n', "\r\n")), m);
    assert_eq!(read(&lf.replace('\n', "\r")), m);
    assert_eq!(read(&lf.replacen('\n', "\r\n", 5)), m);
    assert_eq!(read(&lf.replace('\n', "\r\r\n")), m);
}

// ---- fields and attachments --------------------------------------------------

#[test]
fn header_fields_are_decoded() {
    let m = read(
        "Received: by mx; Mon, 5 Jan 2026 10:00:01 +0000\n\
         From: =?utf-8?q?J=C3=B6rg?= Lee <j@example.org>, b@example.org\n\
         To: a@example.org,\n\tBob <b@example.org>\nCC: c@example.org\n\
         Message-ID: <1@example.org>\nIn-Reply-To: note of <0@example.org>\n\
         List-ID: \"Our list\" <list.example.org>\nUser-Agent: Mailer\n 2.0\n\
         Subject: two\n  lines\tand a tab\u{7}\n\nDas ist ein Text, der lang genug ist, um zu sagen, in welcher Sprache er geschrieben ist.",
    );
    assert_eq!(m.sender.as_deref(), Some("Jörg Lee <j@example.org>"));
    assert_eq!(
        m.recipients.as_deref(),
        Some("a@example.org, Bob <b@example.org>, c@example.org")
    );
    assert_eq!(m.message_id.as_deref(), Some("1@example.org"));
    assert_eq!(m.in_reply_to.as_deref(), Some("0@example.org"));
    assert_eq!(m.list_id.as_deref(), Some("list.example.org"));
    assert_eq!(m.mailer.as_deref(), Some("Mailer 2.0"));
    assert_eq!(m.subject.as_deref(), Some("two lines and a tab"));
    // There is no Date.
    assert_eq!(m.sent_at, Some(1_767_607_201));
    assert_eq!(m.language, Some("de"));
    assert_eq!(read("Subject: s\n\nzu kurz").language, None);
    assert_eq!(read("Date: 31 Feb 2026 10:00 +0000\n\n").sent_at, None);
}

#[test]
fn headers_in_eight_bits_are_decoded() {
    let raw = b"Subject: Gr\xfc\xdfe\nFrom: J\xc3\xb6rg <j@example.org>\n\n";
    let m = parse(raw, &Limits::default(), &|| ());
    assert_eq!(m.subject.as_deref(), Some("Grüße"));
    assert_eq!(m.sender.as_deref(), Some("Jörg <j@example.org>"));
}

#[test]
fn attachments_have_name_type_and_size() {
    let attachments = |header: &str, body: &str| {
        let part = format!("{header}\n\n{body}");
        read(&multipart("mixed", &["\ntext", &part])).attachments
    };
    let one = |name: Option<&str>, media_type: &str, bytes| {
        vec![Attachment {
            name: name.map(str::to_owned),
            media_type: media_type.to_owned(),
            bytes,
            in_text: false,
        }]
    };
    assert_eq!(
        attachments(
            "Content-Type: application/PDF; name=offer.pdf\nContent-Transfer-Encoding: base64",
            "aGVsbG8=\n"
        ),
        one(Some("offer.pdf"), "application/pdf", 5)
    );
    assert_eq!(
        attachments(
            "Content-Type: image/png; name=a\nContent-Disposition: attachment;\n filename*0*=utf-8''f%C3%BC;\n filename*1=nf.png",
            "xyz"
        ),
        one(Some("fünf.png"), "image/png", 3)
    );
    assert_eq!(
        attachments(
            "Content-Disposition: attachment; filename=\"=?utf-8?q?f=C3=BCnf.txt?=\"\nContent-Transfer-Encoding: quoted-printable",
            "a=20=\nb\n"
        ),
        one(Some("fünf.txt"), "text/plain", 4)
    );
    assert_eq!(
        attachments("Content-Type: text/csv", "a,b\r\n"),
        one(None, "text/csv", 4)
    );
    // Text that is shown and has a name is both.
    assert_eq!(
        attachments("Content-Type: text/html; name=a.html", "<p>"),
        one(Some("a.html"), "text/html", 3)
    );
    assert!(attachments("Content-Type: text/html", "<p>").is_empty());
}

/// Ten bytes.
const UU_FILE: &str = "begin 644 offer.pdf\n*1&5A<B!\";V(A\"@``\n`\nend\n";

#[test]
fn files_that_are_encoded_in_text_are_listed_and_no_text() {
    let listed = vec![Attachment {
        name: Some("offer.pdf".to_owned()),
        media_type: "application/octet-stream".to_owned(),
        bytes: 10,
        in_text: true,
    }];
    let text = format!("Hello,\n\n{UU_FILE}\nRegards\n");
    let quoted: String = text.lines().map(|l| format!("> {l}\n")).collect();
    let html = |pre: &str| {
        let escaped = pre.replace('&', "&amp;").replace('<', "&lt;");
        format!("Content-Type: text/html\n\n<p>Hello,<pre>\n{escaped}</pre><p>Regards")
    };
    let flowed = "Content-Type: text/plain; format=flowed\n\n";
    for (raw, body) in [
        (format!("Subject: s\n\n{text}"), "Hello,\n\nRegards"),
        (
            format!("Subject: s\n\n{text}").replace('\n', "\r\n"),
            "Hello,\n\nRegards",
        ),
        (
            format!("Subject: s\n\n{quoted}"),
            "> Hello,\n>\n>\n> Regards",
        ),
        (format!("{flowed}{text}"), "Hello,\n\nRegards"),
        (html(UU_FILE), "Hello,\n\nRegards"),
        (
            multipart("alternative", &[&format!("\n{text}"), &html(UU_FILE)]),
            "Hello,\n\nRegards",
        ),
        (
            multipart("alternative", &[&format!("\n{UU_FILE}"), &html(UU_FILE)]),
            "Hello,\n\nRegards",
        ),
        (format!("Subject: s\n\n{UU_FILE}"), ""),
    ] {
        let m = read(&raw);
        assert_eq!(
            (m.body.replace("> \n", ">\n").as_str(), &m.attachments),
            (body, &listed),
            "{raw}"
        );
        // The same for the classifier as a text without it.
        assert_eq!(m.header(), None);
        assert!(
            m.attachment_list()
                .is_some_and(|l| l.starts_with("offer.pdf ("))
        );
    }
}

#[test]
fn of_signed_and_encrypted_text_the_armour_is_no_text() {
    let data = "iQEzBAEBCAAdFiEEabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL\nMNOPQRSTUVWXYZ==\n=aB3/\n";
    let signed = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSee you.\n-----BEGIN PGP SIGNATURE-----\n\n{data}-----END PGP SIGNATURE-----\n"
    );
    let encrypted = format!("-----BEGIN PGP MESSAGE-----\n\n{data}-----END PGP MESSAGE-----\n");
    assert_eq!(read(&format!("Subject: s\n\n{signed}")).body, "See you.");
    let m = read(&format!("Subject: s\n\nHello\n\n{encrypted}"));
    assert_eq!((m.body.as_str(), m.attachments.len()), ("Hello", 0));
    assert_eq!(read(&format!("Subject: s\n\n{encrypted}")).body, "");
    // A sentence about it is one.
    let about = "It begins with begin 644 and a name.\nbegin 644 name\nthen come the data.";
    assert_eq!(read(&format!("Subject: s\n\n{about}")).body, about);
}

// ---- identity ----------------------------------------------------------------

#[test]
fn the_same_message_over_another_path_has_the_same_hash() {
    let message = "From: ann@example.org\nSubject: a long\n subject\nDate: 5 Jan 2026 10:00 +0000\nMessage-ID: <1@example.org>\n\nHello\n\nBob\n";
    let same = hash(message);
    for other in [
        format!("Received: by mx\nDelivered-To: bob\nX-Spam: no\n{message}"),
        format!("From ann Mon Jan  5 10:00:00 2026\n{message}"),
        message.replace('\n', "\r\n"),
        message.replace('\n', "\r"),
        format!("{message}\n\n"),
        message.trim_end().to_owned(),
        message.replace("a long\n subject", "a\n\tlong subject "),
        message.replace("From", "FROM"),
        message
            .replace("Date: 5 Jan 2026 10:00 +0000\n", "")
            .replace("\n\nHello", "\nDate: 5 Jan 2026 10:00 +0000\n\nHello"),
    ] {
        assert_eq!(hash(&other), same, "{other}");
    }
}

#[test]
fn another_message_has_another_hash() {
    let message = "From: a\nSubject: b\n\nHello\n\nBob\n";
    let mut hashes: Vec<_> = [
        message.to_owned(),
        message.replace("From: a", "From: c"),
        message.replace("Subject: b", "Subject: bb"),
        message.replace("Subject: b", "Subject: b\nMessage-ID: <1>"),
        message.replace("Subject: b\n", ""),
        message.replace("\n\nBob", "\nBob"),
        message.replace("Bob", "Bob "),
        // Beyond what is read.
        format!("{message}{}end", "x".repeat(100_000)),
        format!("{message}{}END", "x".repeat(100_000)),
    ]
    .iter()
    .map(|raw| hash(raw))
    .collect();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 9);
}

#[test]
fn what_is_stored_does_not_change() {
    // SHA-256 of "from:a\nsubject:b c\n\nbody".
    assert_eq!(
        hash("Subject: b\n  c\nFrom: a\n\nbody\n"),
        "7107cbc829bd8b2cbca619ce5a42b420cd2f9afcc1f049a5558b9d9aa4a16175"
    );
}
