use std::ops::Range;

use proptest::prelude::*;

use super::address;
use super::{Field, Kinds, MAX_TEXT_BYTES, Tokenizer};

/// Tokens of one field.
fn of(field: Field, text: &str) -> Vec<String> {
    Tokenizer::default()
        .tokens(text)
        .filter(|t| t.field == field)
        .map(|t| t.text.to_owned())
        .collect()
}

fn words(text: &str) -> Vec<String> {
    of(Field::Body, text)
}

/// As it was written, of the tokens with this text.
fn written<'t>(text: &'t str, token: &str) -> Vec<&'t str> {
    Tokenizer::default()
        .tokens(text)
        .filter(|t| t.text == token)
        .map(|t| &text[t.written])
        .collect()
}

#[test]
fn words_and_pairs_in_reading_order() {
    assert_eq!(
        words("Re: Payment FAILED, a 2nd time"),
        [
            "re",
            "payment",
            "re payment",
            "failed",
            "payment failed",
            "2nd",
            "failed 2nd",
            "time",
            "2nd time"
        ]
    );
    assert!(words("?! - ... , a b c").is_empty());
    assert!(words("").is_empty());
}

#[test]
fn unicode_forms_of_a_word_are_one_token() {
    assert_eq!(words("Ärger"), words("A\u{308}RGER"));
    assert_eq!(words("Straße"), words("STRASSE"));
    assert_eq!(words("ﬁnance"), ["finance"]);
    assert_eq!(
        words("ＰＡＹＭＥＮＴ １２"),
        ["payment", "12", "payment 12"]
    );
    assert_eq!(words("vi\u{ad}a\u{200b}gra"), ["viagra"]);
    // Casefolding takes this apart in one spelling only.
    assert_eq!(words("ΐα"), words("Ϊ\u{301}α"));
    assert_eq!(words("ｶﾞｲﾄﾞ"), words("ガイド"));
    assert_eq!(
        words("한국"),
        words("\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}")
    );
}

#[test]
fn a_token_knows_how_it_was_written() {
    let text = "Die ZAHLUNG a\u{308}rgert,\nStraße 4";
    assert_eq!(written(text, "zahlung"), ["ZAHLUNG", "ZAHLUNG", "ZAHLUNG"]);
    assert_eq!(written(text, "ärgert"), ["a\u{308}rgert"; 2]);
    assert_eq!(
        written(text, "zahlung ärgert"),
        ["ZAHLUNG a\u{308}rgert"; 2]
    );
    assert_eq!(written(text, "strasse"), ["Straße"]);
    assert_eq!(written("見積、請求", "請求"), ["請求"]);
}

#[test]
fn the_first_of_several_lines_is_the_subject() {
    let subject = |text| of(Field::Subject, text);
    assert_eq!(
        subject("Late order\nwhere"),
        ["late", "order", "late order"]
    );
    assert!(subject("late order").is_empty());
    assert!(subject("late order\n \n").is_empty());
    assert!(subject("\nlate order").is_empty());
    assert!(subject(&format!("{}\nlate", "order ".repeat(50))).is_empty());
    // Besides, not instead; and no pair across.
    assert_eq!(words("Late\norder"), ["late", "order"]);
}

#[test]
fn quoted_lines() {
    let quote = |text| of(Field::Quote, text);
    let mail = "Re\nOn Monday Ann wrote:\n\n> old\n  >> older\nAB> oldest\n| bar\nnew: a > b";
    assert_eq!(
        quote(mail),
        [
            "on", "monday", "ann", "wrote", "old", "older", "ab", "oldest", "bar"
        ]
    );
    assert!(words(mail).contains(&"old older".to_owned()));
}

#[test]
fn stems_are_of_long_words() {
    assert_eq!(
        of(Field::Stem, "Zahlungen ZAHLUNG Zahlun Zahlu"),
        ["zahlu", "zahlu", "zahlu"]
    );
    assert_eq!(of(Field::Stem, "Überweisung"), ["überw"]);
}

#[test]
fn letters_are_of_short_texts() {
    let letters = |text: &str| of(Field::Letters, text);
    assert_eq!(letters("Pay ÄB"), [" pa", "pay", "ay ", " äb", "äb "]);
    assert!(letters("pay\nthis").is_empty());
    assert!(!letters(&"word ".repeat(29)).is_empty());
    assert!(letters(&"word ".repeat(30)).is_empty());
    assert_eq!(written("Pay", "ay "), ["Pay"]);
}

#[test]
fn capitals() {
    assert_eq!(of(Field::Capitals, "FREE Free IT USA1 ÜBER"), ["free"]);
}

#[test]
fn web_addresses() {
    let text =
        "see (https://user@Mail.Shop.Example.COM:8080/a/Buy-now?id=77). www.x.org, ftp://10.0.0.1";
    assert_eq!(
        of(Field::Host, text),
        [
            "mail.shop.example.com",
            "example.com",
            "shop.example.com",
            "www.x.org",
            "x.org",
            "10.0.0.1"
        ]
    );
    assert_eq!(of(Field::Url, text), ["8080", "buy", "now", "id", "77"]);
    assert_eq!(written(text, "example.com"), ["Example.COM"]);
    assert!(words(text).contains(&"shop example".to_owned()));
    for not in [
        "http://",
        "www.",
        "a://:80",
        "www.. http:// www",
        "end.Next",
    ] {
        assert!(
            of(Field::Host, &format!("{not} x"))
                .iter()
                .all(|h| h.contains("www")),
            "{not}"
        );
    }
    let many = format!("http://{}com", "a.".repeat(60));
    assert_eq!(of(Field::Host, &many).len(), 1 + address::MAX_DOMAINS);
    assert_eq!(of(Field::Host, "请访问http://例え.jp/x。"), ["例え.jp"]);
    assert!(of(Field::Host, &"www.".repeat(300)).is_empty());
    // Casefolded, one character is longer and one is shorter, by as much.
    let text = "http://www.ำ..𝓅";
    assert_eq!(written(text, ".p"), ["www.ำ..𝓅"]);
    assert!(of(Field::Host, "http://\u{ad}").is_empty());
    // Cut in the middle of a character.
    let long = format!("http://{}", "ä".repeat(3000));
    assert!(of(Field::Host, &long).is_empty());
}

#[test]
fn senders() {
    fn sender(text: &str) -> Vec<String> {
        of(Field::Sender, text)
    }
    assert_eq!(
        sender("From: Ann B. Lee <No-Reply@Mail.Shop.Example.ORG>\nHi\nthere"),
        [
            "ann",
            "lee",
            "no",
            "reply",
            "no-reply@mail.shop.example.org",
            "no-reply@",
            "mail.shop.example.org",
            ".org",
            "example.org",
            "shop.example.org",
        ]
    );
    assert_eq!(
        sender("From: a@b.de \r\n"),
        ["@", "a@b.de", "a@", "b.de", ".de"]
    );
    assert_eq!(sender("From: a@[10.0.0.1]").len(), 4);
    assert_eq!(sender("From: Jörg at work"), ["jörg", "at", "work"]);
    assert_eq!(sender("From: 山田 <a@b>")[..3], ["山", "田", "山田"]);
    assert_eq!(sender("From: xy <a@b> yz"), ["xy", "yz"]);
    assert_eq!(
        written("From: Ann <x@Example.ORG>", "example.org"),
        ["Example.ORG"]
    );
    let domains = format!("From: x@{}com", "a.".repeat(60));
    assert_eq!(sender(&domains).len(), 5 + address::MAX_DOMAINS);
    let long_domain = format!("From: Ann <x@{}>", "a".repeat(256));
    assert_eq!(sender(&long_domain).len(), 3);
    let long_address = format!("From: Ann <x@{}>", "a.".repeat(50_000));
    assert_eq!(sender(&long_address), ["ann"]);
}

#[test]
fn lists_mailers_and_attachments() {
    assert_eq!(
        of(Field::List, "List-Id: dev.lists.example.org"),
        [
            "dev.lists.example.org",
            ".org",
            "example.org",
            "lists.example.org"
        ]
    );
    // Whatever the version is.
    for mailer in ["Some Mail 5.0 (Win)", "Some Mail v6b2 (Win)"] {
        assert_eq!(
            of(Field::Mailer, &format!("X-Mailer: {mailer}")),
            ["some", "mail", "some mail", "win", "mail win"]
        );
    }
    assert_eq!(
        of(Field::Attachment, "Attached: bill.pdf application/pdf"),
        [
            "bill",
            "pdf",
            "bill pdf",
            "application",
            "pdf application",
            "pdf",
            "application pdf"
        ]
    );
}

/// All tokens that are not of header lines.
fn rest(text: &str) -> Vec<(String, Field, Range<usize>)> {
    Tokenizer::default()
        .tokens(text)
        .filter(|t| !t.field.is_header())
        .map(|t| (t.text.to_owned(), t.field, t.written))
        .collect()
}

#[test]
fn header_lines_end_with_the_first_that_is_none() {
    for header in [
        "From: Ann <a@www.b.org>\n",
        "X-Mailer: http://mail.example.org\nAttached: a\nList-Id: b\nFrom: c",
    ] {
        assert!(rest(header).is_empty(), "{header:?}");
    }
    // Again, unknown, in the text, spelled otherwise: ordinary lines.
    for (text, has_sender) in [
        ("From: ann@b.de\nFrom: late order\nwhere", true),
        ("From: ann@b.de\nTo: late order\nwhere", true),
        ("Where\nFrom: late order", false),
        ("\nFrom: late order", false),
        ("from: late order\nwhere", false),
        ("From:late order\nwhere", false),
        (" From: late order\nwhere", false),
    ] {
        assert!(words(text).contains(&"late order".to_owned()), "{text:?}");
        assert_eq!(!of(Field::Sender, text).is_empty(), has_sender, "{text:?}");
    }
    assert_eq!(
        of(Field::Subject, "List-Id: a\nLate order\nwhere"),
        ["late", "order", "late order"]
    );
    let none = Tokenizer::with_kinds(Kinds::ALL.without(Kinds::HEADERS))
        .features("From: ann@b.de\nLate order\nwhere");
    assert_eq!(none, Tokenizer::default().features("Late order\nwhere"));
}

#[test]
fn scripts_without_spaces_give_characters_and_pairs() {
    assert_eq!(words("請求書"), ["請", "求", "請求", "書", "求書"]);
    // Not adjoining: a pair of another spelling.
    assert_eq!(words("請、求"), ["請", "求", "請 求"]);
    assert_eq!(words("新しいiPhone"), {
        ["新", "し", "新し", "い", "しい", "iphone", "い iphone"]
    });
    // A vowel sign or tone mark belongs to its letter.
    assert_eq!(words("น้ำ").len(), 3);
    assert_eq!(words(&"請求".repeat(50)).len(), 199);
}

#[test]
fn over_long_runs_are_not_tokens() {
    assert_eq!(words(&"x".repeat(40)).len(), 1);
    assert!(words(&"x".repeat(41)).is_empty());
    assert_eq!(words(&"A\u{308}".repeat(40)).len(), 1);
    assert!(words(&"ä".repeat(41)).is_empty());
    assert!(words(&format!("a{}", "\u{308}".repeat(500))).is_empty());
    assert!(words("\u{308}\u{200b}").is_empty());
}

#[test]
fn text_beyond_the_limit_is_not_read() {
    let mut text = "ää ".repeat(MAX_TEXT_BYTES / 5 + 1);
    text.push_str("needle");
    assert!(!words(&text).contains(&"needle".to_owned()));
    // 3 bytes that NFKC makes 33.
    let expanding = "\u{fdfa} ".repeat(MAX_TEXT_BYTES / 4);
    let bytes: usize = words(&expanding).iter().map(String::len).sum();
    assert!(bytes <= 4 * MAX_TEXT_BYTES, "{bytes}");
}

/// What [`Tokenizer::memory`] counts with, at its worst.
#[test]
fn tokens_are_bounded_by_the_text() {
    for part in [
        "ab ",
        "ABC ",
        "/ab",
        "/ABC",
        "請",
        "'http://a.b.c.d.e ",
        "ABCDEFG ",
        "a.bc/de, ",
        "a@b.",
    ] {
        for text in [
            format!("From: {}", part.repeat(20)),
            format!("From: {}<{}>", part.repeat(999), part.repeat(20)),
            format!("X-Mailer: {}", part.repeat(999)),
            format!("Attached: {}\n{}", part.repeat(999), part.repeat(999)),
            part.repeat(999),
            format!("{}\n.", part.repeat(999)),
            format!("http://x{}\nend", part.repeat(600)),
            format!("{}\n.", format!("http://x{} ", part.repeat(20)).repeat(50)),
        ] {
            let tokens = Tokenizer::default().tokens(&text).count();
            assert!(3 * tokens <= 5 * text.len() + 15, "{tokens} {part:?}");
        }
    }
}

/// Keys are stored: a change here must come with a new `TOKENIZER_VERSION`.
#[test]
fn keys_are_stable() {
    let keys = |text| Tokenizer::default().features(text).content_hash();
    assert_eq!(keys("Payment failed"), 1_931_556_026_131_410_800);
    assert_eq!(
        keys("Your INVOICE\nsee http://pay.example.org/now, ask a@b.de, überweisen\n> 請求書"),
        7_209_341_461_368_437_524
    );
    assert_eq!(
        keys(
            "From: Ann <ann@mail.example.org>\nList-Id: dev.example.org\nX-Mailer: Some Mail 5\nAttached: a.pdf application/pdf\nlate\norder"
        ),
        7_172_371_978_039_204_517
    );
}

fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-zA-Z]{1,9}",
        "\\PC{0,6}",
        "[äÖßéΪΐКириллица]{1,9}",
        "[請求書ガしい한국น้ำ\u{301}\u{ad}]{1,6}",
        Just("http://www.".to_owned()),
        "[.:/@>|!$\n -]{1,3}",
        "[0-9.,]{1,6}",
    ];
    proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

fn any_header() -> impl Strategy<Value = String> {
    let line = (
        prop::sample::select(vec!["From: ", "List-Id: ", "X-Mailer: ", "Attached: "]),
        "[a-zäÖ請ガ\u{ad}@.<>/ 0-9]{0,30}",
    );
    proptest::collection::vec(line, 0..4).prop_map(|mut lines| {
        lines.sort();
        lines.dedup_by_key(|line| line.0);
        let lines: Vec<_> = lines.iter().map(|(n, v)| format!("{n}{v}\n")).collect();
        lines.concat()
    })
}

proptest! {
    #[test]
    fn header_lines_do_not_change_what_follows(header in any_header(), text in any_text()) {
        let alone = rest(&text).into_iter().map(|(text, field, written)| {
            (text, field, written.start + header.len()..written.end + header.len())
        });
        prop_assert_eq!(rest(&format!("{header}{text}")), alone.collect::<Vec<_>>());
    }

    #[test]
    fn tokens_are_slices_in_order_of_what_was_written(header in any_header(), text in any_text()) {
        let text = header + &text;
        let mut tokenizer = Tokenizer::default();
        for token in tokenizer.tokens(&text) {
            prop_assert!(!token.text.is_empty());
            prop_assert!(!token.written.is_empty());
            prop_assert!(text.get(token.written.clone()).is_some());
        }
        let again = Tokenizer::default().features(&text);
        prop_assert_eq!(tokenizer.features(&text), again, "buffers are left clean");
    }

    #[test]
    fn spelling_does_not_matter(text in "[a-zA-ZäÖéñΪКириллица請ガ한국ệ ,\n]{0,60}") {
        let nfd = icu_normalizer::DecomposingNormalizer::new_nfd().normalize(&text).into_owned();
        let wide: String = text.chars().map(|c| match c {
            '!'..='~' => char::from_u32(c as u32 + 0xfee0).unwrap(),
            c => c,
        }).collect();
        let mut tokenizer = Tokenizer::with_kinds(Kinds::ALL.without(Kinds::CAPITALS));
        let features = tokenizer.features(&text);
        for other in [nfd, wide, text.to_uppercase(), text.to_lowercase()] {
            prop_assert_eq!(&tokenizer.features(&other), &features, "{}", other);
        }
    }
}

#[test]
fn what_is_encoded_is_read_as_if_it_were_not_there() {
    let data: String = (0..40)
        .map(|n| format!("M{}\n", "7&5R(#8R,S0U+".repeat(5)[n % 5..].split_at(60).0))
        .collect();
    let uu = format!("begin 644 offer.pdf\n{data}`\nend\n");
    let quoted: String = uu.lines().map(|l| format!("> {l}\n")).collect();
    let armour = "-----BEGIN PGP MESSAGE-----\n\niQEzBAEBCAAdFiEEabcdefghijklmnop\n-----END PGP MESSAGE-----\n";
    for block in [uu.as_str(), &quoted, armour] {
        for text in [
            "Short question\n#",
            "#Short question\n",
            "A subject\nand a text\n#\nwith more of it\n",
            "From: a@example.org\n#A subject\nand a text\n#with more\n\n#",
        ] {
            let tokens = |text: &str| {
                let mut tokenizer = Tokenizer::default();
                let tokens = tokenizer.tokens(text);
                tokens
                    .map(|t| (t.text.to_owned(), t.field))
                    .collect::<Vec<_>>()
            };
            let with = text.replace('#', block);
            assert_eq!(tokens(&with), tokens(&text.replace('#', "")), "{with}");
            // A word stands where it stood.
            let mut tokenizer = Tokenizer::default();
            for token in tokenizer.tokens(&with).filter(|t| t.field == Field::Body) {
                let written = with[token.written.clone()].to_lowercase();
                assert!(
                    written == token.text || token.text.contains(' '),
                    "{token:?}"
                );
            }
        }
    }
}
