//! Which parts of a message are its text, whatever they are called.
#![allow(missing_docs, clippy::unwrap_used)]

use pg_triage_mail::{Limits, Message, parse};

fn read(raw: &str) -> Message {
    parse(raw.as_bytes(), &Limits::default(), &|| ())
}

/// A multipart with boundary `b` and these parts.
fn multipart(subtype: &str, parts: &[&str]) -> Message {
    let parts: String = parts.iter().map(|p| format!("--b\n{p}\n")).collect();
    read(&format!(
        "Subject: s\nContent-Type: multipart/{subtype}; boundary=b\n\n{parts}--b--\n"
    ))
}

const ATTACHED: &str = "Content-Disposition: attachment; filename";

#[test]
fn any_subtype_of_text_is_read() {
    for header in [
        "text/markdown; charset=utf-8",
        "text/x-markdown",
        "text/x-myown",
        "TEXT / PLAIN",
        "text/plain charset=utf-8",
        "text/plain>",
        "plain/text",
        "application/plain",
        "text",
        "nonsense; charset=utf-8",
        "text/x-patch; name=fix.patch",
        "",
    ] {
        let part = format!("Content-Type: {header}\n\nWe were *charged* twice.");
        let m = multipart("mixed", &[&part]);
        assert_eq!(m.body, "We were *charged* twice.", "{header}");
    }
    let koi = b"Content-Type: text; charset=koi8-r\n\n\xd0\xd2\xc9";
    assert_eq!(parse(koi, &Limits::default(), &|| ()).body, "при");
}

#[test]
fn html_is_read_as_html_whatever_it_is_called() {
    for header in [
        "text/html;",
        "application/xhtml+xml",
        "html",
        "text/htm",
        "text/x-amp-html",
    ] {
        let part = format!("Content-Type: {header}\n\n<p>charged <b>twice</b>");
        assert_eq!(
            multipart("mixed", &[&part]).body,
            "charged twice",
            "{header}"
        );
    }
    assert_eq!(multipart("mixed", &["\n<html><p>no type"]).body, "no type");
}

#[test]
fn plain_text_comes_before_other_kinds_of_it() {
    let markdown = "Content-Type: text/markdown\n\n# We were charged";
    let html = "Content-Type: text/html\n\n<h1>We were charged</h1>";
    let plain = "Content-Type: text/plain\n\nWe were charged";
    for parts in [
        [markdown, plain, html],
        [plain, markdown, html],
        [markdown, html, ""],
    ] {
        assert_eq!(multipart("alternative", &parts).body, "We were charged");
    }
    assert_eq!(
        multipart("alternative", &[markdown]).body,
        "# We were charged"
    );
}

#[test]
fn source_of_html_is_no_plain_alternative() {
    let source = format!(
        "\n<!-- saved -->\n<html><p>charged{}</p></html>",
        " again".repeat(200)
    );
    let html = "Content-Type: text/html\n\n<p>charged twice";
    let plain = format!("Content-Type: text/plain\n{source}");
    assert_eq!(
        multipart("alternative", &[&plain, html]).body,
        "charged twice"
    );
    assert_eq!(
        multipart("alternative", &[&plain, "Content-Type: text/html\n\n<br>"]).body,
        source.trim()
    );
}

#[test]
fn alternatives_for_one_program_are_the_last_choice() {
    let lesser = "Content-Type: text/watch-html\n\n<p>watch";
    let amp = "Content-Type: text/x-amp-html\n\n<p>amp";
    let html = "Content-Type: text/html\n\n<p>html";
    assert_eq!(
        multipart("alternative", &["\nplain", lesser, html]).body,
        "plain"
    );
    assert_eq!(multipart("alternative", &[html, amp, lesser]).body, "html");
    assert_eq!(multipart("alternative", &["\n ", html, amp]).body, "html");
    assert_eq!(multipart("alternative", &["\n ", amp]).body, "amp");
}

#[test]
fn attached_text_is_read_where_there_is_no_other() {
    let plain = format!("{ATTACHED}=a.txt\n\nplain");
    let html = format!("{ATTACHED}=a.html\nContent-Type: text/html\n\n<p>html");
    let csv = "Content-Type: text/csv; name=a.csv\n\na,b";
    assert_eq!(multipart("mixed", &[&plain]).body, "plain");
    assert_eq!(multipart("mixed", &["\n \n", &plain]).body, "plain");
    assert_eq!(multipart("mixed", &["\ntext", &plain, csv]).body, "text");
    assert_eq!(multipart("alternative", &[&plain, &html]).body, "plain");
    assert_eq!(multipart("alternative", &[&html]).body, "html");
    assert_eq!(multipart("mixed", &[csv]).body, "a,b");
    // It is listed all the same.
    assert_eq!(multipart("mixed", &[&plain]).attachments.len(), 1);

    let inner = format!(
        "Content-Type: message/rfc822\n\nSubject: i\nContent-Type: multipart/mixed; boundary=c\n\n--c\n{plain}\n--c--"
    );
    assert_eq!(multipart("mixed", &[&inner]).body, "Subject: i\n\nplain");
}

#[test]
fn bytes_without_a_type_are_read_if_they_are_text_and_there_is_no_other() {
    let bytes =
        |name: &str, text: &str| format!("Content-Type: application/octet-stream{name}\n\n{text}");
    let text = bytes("; name=a.txt", "We were charged twice.");
    assert_eq!(read(&text).body, "We were charged twice.");
    assert_eq!(read(&bytes("", "hello")).body, "hello");
    assert_eq!(read(&bytes("", "<html><p>hello")).body, "hello");
    assert_eq!(
        read(&bytes("; name=a.HTM", "<meta x=y>hello")).body,
        "hello"
    );
    assert_eq!(
        multipart("mixed", &["\n\n", &text]).body,
        "We were charged twice."
    );
    assert_eq!(multipart("mixed", &["\nyes", &text]).body, "yes");
    for other in [
        bytes("; name=a.json", "{}"),
        bytes("", "a\0b"),
        bytes("", "%PDF-1.4 text"),
        bytes("; name=a.asc", "-----BEGIN PGP MESSAGE-----\n\nabc"),
    ] {
        assert_eq!(read(&other).body, "", "{other}");
    }
}

#[test]
fn text_between_files_is_read_as_apple_mail_writes_it() {
    let file = "Content-Type: application/pdf; name=a.pdf\nContent-Disposition: inline; filename=a.pdf\n\n%PDF";
    let named = "Content-Disposition: inline; filename=notes.txt\n\nnotes";
    let m = multipart("mixed", &["\nbefore", file, named, "\nbehind"]);
    assert_eq!(m.body, "before\n\nnotes\n\nbehind");
    assert_eq!(m.attachments.len(), 2);
}

// ---- calendars and vCards ----------------------------------------------------

const EVENT: &str = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:1@example.org\nDTSTART:20260310T090000Z\nSUMMARY:Budget\n  meeting\nLOCATION:Room 4\nDESCRIPTION:Please bring the list.\nEND:VEVENT\nEND:VCALENDAR";
const FACTS: &str = "Invitation: Budget meeting\nWhen: 2026-03-10 09:00 UTC\nWhere: Room 4";

fn calendar(header: &str) -> String {
    format!("Content-Type: text/calendar{header}\n\n{EVENT}")
}

#[test]
fn an_invitation_without_other_text_is_read() {
    let all = format!("{FACTS}\n\nPlease bring the list.");
    assert_eq!(read(&calendar("; method=REQUEST")).body, all);
    let crlf = calendar("").replace('\n', "\r\n");
    assert_eq!(read(&crlf).body, all);
    assert_eq!(multipart("alternative", &[&calendar("")]).body, all);
    let html = "Content-Type: text/html\n\n<br>";
    let attached = calendar(&format!("\n{ATTACHED}=a.ics"));
    assert_eq!(multipart("mixed", &["\n \n", html, &attached]).body, all);
    for other in ["application/ics", "application/octet-stream"] {
        let ics = attached.replace("text/calendar", other);
        assert_eq!(multipart("mixed", &[&ics]).body, all, "{other}");
    }
}

#[test]
fn an_invitation_beside_its_text_is_appended() {
    let plain = "\nDear all, this is about the budget of next year. Please bring the list. Ann";
    let html = "Content-Type: text/html\n\n<p>Dear all, this is about the budget of next year. Please bring the list. Ann";
    let m = multipart("alternative", &[plain, html, &calendar("; method=REQUEST")]);
    assert_eq!(m.body, format!("{}\n\n{FACTS}", plain.trim()));
    assert_eq!(m.attachments[0].media_type, "text/calendar");
    // A file that comes with a text stays a file.
    let attached = calendar(&format!("\n{ATTACHED}=a.ics"));
    assert_eq!(multipart("mixed", &[plain, &attached]).body, plain.trim());
}

#[test]
fn a_calendar_of_the_older_form_is_read() {
    let raw = b"Content-Type: text/x-vcalendar; charset=iso-8859-1\n\nBEGIN:VCALENDAR\nVERSION:1.0\nBEGIN:VEVENT\nSUMMARY;ENCODING=QUOTED-PRINTABLE;CHARSET=utf-8:Gr=C3=\n=BC=C3=9Fe\nLOCATION:B\xfcro\nEND:VEVENT\nEND:VCALENDAR\n";
    let m = parse(raw, &Limits::default(), &|| ());
    assert_eq!(m.body, "Event: Grüße\nWhere: Büro");
}

#[test]
fn a_vcard_is_a_file_unless_it_is_all_there_is() {
    let card = "Content-Type: text/vcard; name=ann.vcf\n\nBEGIN:VCARD\nN:Lee;Ann\nFN:Ann Lee\nEMAIL:ann@example.org\nEND:VCARD";
    assert_eq!(multipart("mixed", &["\nmy card", card]).body, "my card");
    let m = multipart("mixed", &[card]);
    assert_eq!(m.body, "Ann Lee\nann@example.org");
    assert_eq!(m.attachments.len(), 1);
}

// ---- reports -----------------------------------------------------------------

const STATUS: &str = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 user unknown";
const FAILED: &str = "Delivery failed: bob@example.org (5.1.1)\n550 user unknown";

#[test]
fn a_report_without_text_is_read() {
    assert_eq!(read(STATUS).body, FAILED);
    assert_eq!(multipart("report", &[STATUS]).body, FAILED);
    let returned =
        "Content-Type: message/rfc822\n\nSubject: offer\nFrom: ann@example.org\n\nDear Bob";
    let m = multipart(
        "report; report-type=delivery-status",
        &["\n \n", STATUS, returned],
    );
    let heading = "Subject: offer\nFrom: ann@example.org";
    assert_eq!(m.body, format!("{FAILED}\n\n{heading}\n\nDear Bob"));
    assert_eq!(m.attachments.len(), 2);

    let notification = "Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; bob@example.org\nDisposition: manual-action/MDN-sent-manually; displayed";
    assert_eq!(
        multipart("report", &[notification]).body,
        "Message displayed: bob@example.org"
    );
    let complaint = "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nOriginal-Mail-From: <ann@example.org>";
    assert_eq!(
        multipart("report", &[complaint, returned]).body,
        format!("Complaint: abuse\nSender: ann@example.org\n\n{heading}\n\nDear Bob")
    );
}

#[test]
fn a_report_with_text_is_that_text() {
    let m = multipart("report", &["\nIt could not be delivered.", STATUS]);
    assert_eq!(m.body, "It could not be delivered.");
}

#[test]
fn subject_and_sender_of_a_returned_header_are_read() {
    for media_type in ["text/rfc822-headers", "message/global-headers"] {
        let header = format!(
            "Content-Type: {media_type}\n\nReceived: by x\nFrom: ann@example.org\nSubject: offer\nContent-Type: multipart/mixed; boundary=c\n"
        );
        let m = multipart("report", &["\nIt was delayed.", STATUS, &header]);
        assert_eq!(
            m.body,
            "It was delayed.\n\nSubject: offer\nFrom: ann@example.org"
        );
        assert_eq!(m.attachments.len(), 2);
        assert!(!m.truncated);
    }
}

#[test]
fn where_a_body_is_that_was_not_sent_is_read_if_nothing_else_is() {
    let external = "Content-Type: message/external-body; access-type=URL; URL=\"http://example.org/a\"\n\nContent-Type: application/pdf\n";
    assert_eq!(multipart("mixed", &[external]).body, "http://example.org/a");
    assert_eq!(
        multipart("mixed", &["\nsee below", external]).body,
        "see below"
    );
}

// ---- RTF ---------------------------------------------------------------------

#[test]
fn rtf_is_read_as_its_text() {
    let rtf = "{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0 Arial;}}\\f0 Gr\\'fc\\'dfe, \\b charged\\b0  twice\\par}";
    let text = "Grüße, charged twice";
    let part = |header: &str| format!("{header}\n\n{rtf}");
    let inline = part("Content-Type: text/rtf");
    assert_eq!(multipart("mixed", &[&inline]).body, text);
    assert_eq!(multipart("alternative", &["\n ", &inline]).body, text);
    for file in [
        "Content-Type: application/rtf; name=a.rtf",
        "Content-Type: application/octet-stream; name=a.rtf",
    ] {
        assert_eq!(multipart("mixed", &[&part(file)]).body, text, "{file}");
        assert_eq!(
            multipart("mixed", &["\nsee below", &part(file)]).body,
            "see below"
        );
    }
    assert_eq!(read("Content-Type: text/rtf\n\nno RTF").body, "no RTF");
}

// ---- damage ------------------------------------------------------------------

#[test]
fn a_boundary_that_is_not_the_one_of_the_header_is_found() {
    let parts = |header: &str| {
        read(&format!(
            "Subject: s\nContent-Type: multipart/mixed{header}\n\npreamble\n--b\nContent-Type: text/html\n\n<p>charged\n--b\n\ntwice\n--b--\n"
        ))
    };
    for header in ["; boundary=c", "; boundary=", "; bo", "; boundary=\"-b\""] {
        assert_eq!(parts(header).body, "charged\n\ntwice", "{header}");
    }
    // A dashed line is none.
    let text = "Content-Type: multipart/mixed; boundary=c\n\n-- \nAnn";
    assert_eq!(read(text).body, "-- \nAnn");
    // A blank line that is not empty.
    let raw = "Content-Type: multipart/mixed; boundary=b\n \n--b\nContent-Type: text/html\n\n<p>hello\n--b--\n";
    assert_eq!(read(raw).body, "hello");
}

#[test]
fn a_footer_behind_base64_is_text() {
    let raw = "Content-Transfer-Encoding: base64\n\nV2Ugd2VyZSBjaGFyZ2VkIHR3\naWNlLg\n\n\n_______________\nour mailing list\nhttp://lists.example.org/listinfo/our-list\n";
    assert_eq!(
        read(raw).body,
        "We were charged twice.\n\n_______________\nour mailing list\nhttp://lists.example.org/listinfo/our-list"
    );
    let damaged = "Content-Transfer-Encoding: base64\n\nV2Ugd2VyZSBj\naGFyZ2Vk -IHR3aWNlLg==\n";
    assert_eq!(read(damaged).body, "We were charged twice.");
}

#[test]
fn what_says_nothing_of_its_kind_is_read_as_it_stands() {
    let words = "Buy watches and pills at half the price, today and on all other days.";
    for (media_type, text) in [
        ("message/delivery-status", words.to_owned()),
        ("message/disposition-notification", words.to_owned()),
        ("message/feedback-report", format!("{words}\n\n{words}")),
        (
            "text/calendar",
            format!("BEGIN:VCALENDAR\n{words}\nEND:VCALENDAR"),
        ),
        ("text/vcard", format!("BEGIN:VCARD\n{words}\nEND:VCARD")),
    ] {
        let raw = format!("Content-Type: {media_type}\n\n{text}\n");
        assert!(read(&raw).body.contains(words), "{media_type}");
    }
}
