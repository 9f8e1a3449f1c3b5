//! Blocks in texts, and texts that only look like it. The files are encoded here, from the
//! standards.

#![allow(missing_docs)]

use pg_triage_encoded::{Block, blocks};

/// Bytes that look random: a linear congruential generator.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 12_345_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn six_bits(bytes: &[u8], letter: impl Fn(u8) -> char) -> String {
    bytes
        .chunks(3)
        .flat_map(|three| {
            let byte = |i| u32::from(three.get(i).copied().unwrap_or(0));
            let group = byte(0) << 16 | byte(1) << 8 | byte(2);
            [18, 12, 6, 0].map(|shift| (group >> shift & 0x3f) as u8)
        })
        .map(letter)
        .collect()
}

/// Lines of uuencode with this letter for zero.
fn uu_lines(file: &[u8], zero: char) -> String {
    file.chunks(45)
        .map(|line| {
            let letter = |v| if v == 0 { zero } else { char::from(b' ' + v) };
            let text = format!("{}{}", letter(line.len() as u8), six_bits(line, letter));
            format!("{}\n", text.trim_end())
        })
        .collect()
}

fn uuencoded(name: &str, file: &[u8]) -> String {
    format!("begin 644 {name}\n{}`\nend\n", uu_lines(file, '`'))
}

/// Base64 in lines of so many letters.
fn base64(file: &[u8], line: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = six_bits(file, |v| char::from(LETTERS[usize::from(v)])).into_bytes();
    let padding = file.len().next_multiple_of(3) - file.len();
    let end = text.len();
    text[end - padding..].fill(b'=');
    text.chunks(line)
        .map(|line| format!("{}\n", String::from_utf8_lossy(line)))
        .collect()
}

/// BinHex of a file with a data fork only; its checksums are zeros.
fn binhexed(name: &str, file: &[u8]) -> String {
    const LETTERS: &[u8] = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
    let mut bytes = vec![name.len() as u8];
    bytes.extend(name.as_bytes());
    bytes.extend(b"\0TEXTttxt\0\0");
    bytes.extend((file.len() as u32).to_be_bytes());
    bytes.extend([0; 4 + 2]);
    bytes.extend(file);
    bytes.extend([0; 2 + 2]);
    let escaped: Vec<u8> = bytes
        .iter()
        .flat_map(|&b| if b == 0x90 { vec![b, 0] } else { vec![b] })
        .collect();
    let letters = format!(
        ":{}:",
        six_bits(&escaped, |v| char::from(LETTERS[usize::from(v)]))
    );
    let lines: Vec<_> = letters
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "(This file must be converted with BinHex 4.0)\n\n{}\n",
        lines.join("\n")
    )
}

/// yEnc as it looks when it was read as windows-1252, without control characters.
fn yencoded(name: &str, file: &[u8]) -> String {
    let bytes: Vec<u8> = file
        .iter()
        .flat_map(|b| match b.wrapping_add(42) {
            b @ (0 | b'\n' | b'\r' | b'=') => vec![b'=', b.wrapping_add(64)],
            b => vec![b],
        })
        .collect();
    let lines: String = bytes
        .chunks(128)
        .map(|line| {
            let text = line
                .iter()
                .map(|&b| char::from(b))
                .filter(|&c| c >= ' ' && c != '\u{7f}');
            text.chain(['\n']).collect::<String>()
        })
        .collect();
    let size = file.len();
    format!("=ybegin line=128 size={size} name={name}\n{lines}=yend size={size}\n")
}

fn armoured(label: &str, head: &str, file: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{head}{}-----END {label}-----\n",
        base64(file, 64)
    )
}

fn found(text: &str) -> Vec<Block> {
    blocks(text, &|| ()).collect()
}

/// What is no block.
fn rest(text: &str) -> String {
    let (mut rest, mut from) = (String::new(), 0);
    for block in found(text) {
        rest += &text[from..block.range.start];
        from = block.range.end;
    }
    rest + &text[from..]
}

fn files(text: &str) -> Vec<(Option<String>, u64)> {
    found(text).into_iter().map(|b| (b.name, b.bytes)).collect()
}

fn named(name: &str, bytes: u64) -> Vec<(Option<String>, u64)> {
    vec![(Some(name.to_owned()), bytes)]
}

const BEFORE: &str = "Dear Sirs,\n\nsee the invoice.\n\n";
const AFTER: &str = "\nRegards, Ann\n";

fn all_kinds(file: &[u8]) -> Vec<String> {
    let pgp = "Version: GnuPG v2\nComment: none\n\n";
    vec![
        uuencoded("my invoice.pdf", file),
        uu_lines(file, '`'),
        format!(
            "begin-base64 644 my invoice.pdf\n{}====\n",
            base64(file, 60)
        ),
        base64(file, 60),
        base64(file, 76),
        base64(file, 1 << 20),
        binhexed("my invoice.pdf", file),
        yencoded("my invoice.pdf", file),
        armoured("PGP MESSAGE", pgp, file),
        armoured("PGP PUBLIC KEY BLOCK", "\n", file),
        armoured("PGP SIGNATURE", pgp, file).replace("-----END", "=aB3/\n-----END"),
        armoured("PKCS7", "", file),
        armoured(
            "RSA PRIVATE KEY",
            "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES,00\n\n",
            file,
        ),
    ]
}

#[test]
fn blocks_of_all_kinds_and_sizes_are_found() {
    for length in [230, 999, 1000, 1001, 4005, 20_000] {
        for block in all_kinds(&noise(length)) {
            let text = format!("{BEFORE}{block}{AFTER}");
            assert_eq!(
                rest(&text),
                format!("{BEFORE}{AFTER}"),
                "{length} {block:.99}"
            );
            assert_eq!(rest(&block), "", "{length} {block:.99}");
            // Several, one close behind the other.
            assert_eq!(rest(&format!("{block}a word\n{block}{block}")), "a word\n");
        }
    }
}

#[test]
fn blocks_without_a_first_line_are_found_wherever_they_begin() {
    let file = noise(45 * 6);
    // The shortest lines that are known without one.
    for block in [base64(&noise(42 * 3), 56), uu_lines(&file, '`')] {
        for words in 0..40 {
            let text = format!("{}:\n\n{block}", "a".repeat(words));
            assert_eq!(found(&text).len(), 1, "{text}");
        }
    }
}

#[test]
fn quoted_blocks_are_found() {
    for block in all_kinds(&noise(1000)) {
        for mark in ["> ", ">", ">> ", "> > ", "JD> ", "| "] {
            let text = format!("{BEFORE}{block}{AFTER}");
            let quoted: String = text
                .lines()
                .map(|l| format!("{mark}{l}").trim_end().to_owned() + "\n")
                .collect();
            let left = rest(&quoted);
            assert!(
                left.len() < 100 && left.ends_with("Regards, Ann\n"),
                "{left:.300}"
            );
        }
    }
}

#[test]
fn line_ends_blank_lines_and_missing_ends_are_survived() {
    for block in all_kinds(&noise(3000)) {
        let text = format!("{BEFORE}{block}{AFTER}");
        let left = format!("{BEFORE}{AFTER}").replace('\n', "\r\n");
        assert_eq!(rest(&text.replace('\n', "\r\n")), left);
        let spaced = rest(&text.replace('\n', "\n\n"));
        assert_eq!(
            spaced.split_whitespace().collect::<Vec<_>>(),
            left.split_whitespace().collect::<Vec<_>>()
        );
        // Cut at the end of a line.
        let lines: Vec<_> = block.lines().collect();
        if lines.len() < 20 {
            continue;
        }
        let cut = format!("{BEFORE}{}\n{AFTER}", lines[..lines.len() - 5].join("\n"));
        assert_eq!(rest(&cut), format!("{BEFORE}{AFTER}"));
        // Within a line, which may stay.
        let cut = format!(
            "{BEFORE}{}",
            &block[..block.floor_char_boundary(block.len() * 2 / 3)]
        );
        assert!(rest(&cut).len() < BEFORE.len() + 130, "{:.300}", rest(&cut));
    }
}

#[test]
fn names_and_sizes_are_told() {
    for length in [300, 1001, 5000] {
        let (file, bytes) = (noise(length), length as u64);
        let base = format!("begin-base64 600 a\n{}====\n", base64(&file, 60));
        assert_eq!(files(&base), named("a", bytes));
        assert_eq!(files(&uuencoded("ü b.pdf", &file)), named("ü b.pdf", bytes));
        assert_eq!(files(&binhexed("Read Me", &file)), named("Read Me", bytes));
        assert_eq!(
            files(&yencoded("a = b.bin", &file)),
            named("a = b.bin", bytes)
        );
        assert_eq!(files(&base64(&file, 76)), [(None, bytes)]);
    }
    // Blanks that are lost are bytes all the same.
    let mut zeros = noise(450);
    zeros.extend([0; 4500]);
    let trimmed = format!("begin 644 a\n{}`\nend\n", uu_lines(&zeros, ' '));
    assert_eq!(files(&trimmed), named("a", 4950));
    // Whatever a header claims.
    let lie = yencoded("a", &noise(300)).replace("size=300", "size=99999999999");
    assert!(files(&lie)[0].1 <= 600);
    let lie = binhexed("a", &noise(300)).replacen('!', "r", 2);
    assert!(files(&lie).first().is_none_or(|f| f.1 <= 600));
}

#[test]
fn files_of_zeros_and_of_text_are_found() {
    let mut zeros = vec![0; 2000];
    zeros[..9].copy_from_slice(b"%PDF-1.7\n");
    let prose = "The quick brown fox jumps over the lazy dog.\n".repeat(40);
    for file in [zeros.as_slice(), prose.as_bytes()] {
        for block in [
            uuencoded("a", file),
            format!("begin 644 a\n{} \nend\n", uu_lines(file, ' ')).replace(" \n", "\n"),
            format!("begin-base64 644 a\n{}====\n", base64(file, 60)),
            binhexed("a", file),
            yencoded("a", file),
            armoured("PGP MESSAGE", "\n", file),
        ] {
            let text = format!("{BEFORE}{block}{AFTER}");
            assert_eq!(rest(&text), format!("{BEFORE}{AFTER}"), "{block:.99}");
        }
    }
}

#[test]
fn of_a_signed_text_only_the_armour_goes() {
    let signature = armoured("PGP SIGNATURE", "Version: GnuPG v1\n\n", &noise(200));
    let text = "Dear Ann,\n\nNote: the meeting is on Friday.\n- -- \nBob\n";
    for hash in [
        "Hash: SHA256\n\n",
        "Hash: SHA1\nCharset: utf-8\n\n",
        "\n",
        "Hash: SHA256\n",
    ] {
        let signed = format!("-----BEGIN PGP SIGNED MESSAGE-----\n{hash}{text}{signature}");
        assert_eq!(rest(&signed), text);
        let quoted: String = signed.lines().map(|l| format!("> {l}\n")).collect();
        assert_eq!(
            rest(&quoted),
            text.lines().map(|l| format!("> {l}\n")).collect::<String>()
        );
        // Signed again.
        let signed = signed
            .replace("-----BEGIN", "- -----BEGIN")
            .replace("-----END", "- -----END");
        let again = format!("-----BEGIN PGP SIGNED MESSAGE-----\n{hash}{signed}{signature}");
        assert_eq!(rest(&again), text);
    }
}

#[test]
fn what_only_looks_like_it_is_kept() {
    let url = format!("https://example.org/?q={}", base64(&noise(300), 76));
    let hex: String = noise(1000).iter().map(|b| format!("{b:02x}")).collect();
    let hex_lines: String = hex
        .as_bytes()
        .chunks(64)
        .map(|l| format!("{}\n", String::from_utf8_lossy(l)))
        .collect();
    let dkim: String = base64(&noise(256), 72)
        .lines()
        .map(|l| format!("        {l}\n"))
        .collect();
    let hashes: String = (0..20).map(|n| base64(&noise(64 + n)[n..], 88)).collect();
    let capitals = "MEETING NOTES OF THE BOARD, WHICH MET IN ROOM 4 ON FRIDAY\n".repeat(5);
    for text in [
        "Then type: begin 644 file.txt and go on.\n".to_owned(),
        "begin 644 file.txt\nis the first line of uuencode, and more lines follow.\n".to_owned(),
        "begin 644 file.txt\nbegin 644 file.txt\nbegin 644 file.txt\n".to_owned(),
        "begin 644 file.txt\nHELLO ANN\nhow are you?\n".to_owned(),
        "begin\n  x := 1;\nend\n".to_owned(),
        "begin 2026 with a smile\nM\n".to_owned(),
        "-----BEGIN FORWARDED MESSAGE-----\nFrom: ann@example.org\n\nHello\n\nAnn\n-----END FORWARDED MESSAGE-----\n".to_owned(),
        "-----BEGIN PGP MESSAGE----- is how it begins.\n\nOr so.\n".to_owned(),
        "----- Original message -----\nDonaudampfschifffahrtsgesellschaft\n".to_owned(),
        "=ybegin line=128 is what yEnc begins with.\nOthers do not.\n".to_owned(),
        "(This file must be converted with BinHex 4.0)\n: so it says: and then comes the file.\n".to_owned(),
        "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft\n".repeat(5),
        "2026-03-03T10:00:00Z host app[12]: GET /a/b/c?d=e 200 1234 0.012 Mozilla/5.0 rv/109\n".repeat(9),
        "00000000  25 50 44 46 2d 31 2e 37  0a 25 e2 e3 cf d3 0a 31  |%PDF-1.7.%.....1|\n".repeat(9),
        "    let encoded = base64::encode(bytes).chunks(76).collect::<Vec<_>>().join(NEWLINE);\n".repeat(9),
        "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKAL\n".repeat(9),
        "GATTACAGATTACAGATTACAGATTACAGATTACAGATTACAGATTACAGATTACAGATT\n".repeat(9),
        "_______________________________________________________________________________\n".repeat(9),
        "================================================================================\n".repeat(9),
        capitals,
        url,
        hex_lines,
        hashes,
        format!("DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=a;\n        bh={dkim}        b={dkim}"),
        format!("b={}", dkim.replace(' ', "")),
    ] {
        for around in ["", BEFORE] {
            let text = format!("{around}{text}");
            assert_eq!(found(&text), [], "{text}");
        }
    }
}

#[test]
fn words_that_somebody_frames_stay_text() {
    let data = uu_lines(&noise(450), '`');
    let capitals = "MY DEAR FRIENDS OF THE SHOP BUY WATCHES AND PILLS AT HALF A PRICE\n";
    let capitals: String = ["M", "L", "O"]
        .iter()
        .map(|first| format!("{first}{}\n", &capitals[1..58]))
        .collect();
    let small = "Dear friends of the shop, buy watches and pills at half the price\n";
    let signs = "!#$%&()*+\n";
    let value = "Buy watches and pills at half the price, ".repeat(9);
    let code = base64(&noise(300), 64);
    for (before, words, after) in [
        ("begin 644 a\n", capitals.as_str(), "`\nend\n"),
        (
            &format!("begin 644 a\n{data}"),
            &capitals,
            &format!("{data}`\nend\n"),
        ),
        ("=ybegin line=128 size=9 name=a\n", small, "=yend size=9\n"),
        (
            &format!("=ybegin line=128 size=9 name=a\n{signs}"),
            &format!("{small}{small}"),
            &format!("{signs}=yend size=9\n"),
        ),
        (
            "-----BEGIN PGP MESSAGE-----\n",
            &format!("Comment: {value}\n"),
            &format!("\n{code}-----END PGP MESSAGE-----\n"),
        ),
        (
            "-----BEGIN PGP SIGNED MESSAGE-----\n",
            &format!("Comment: {value}\n"),
            "\ntext\n",
        ),
        (
            "-----BEGIN PGP SIGNED MESSAGE-----\n",
            "Hash is good, said the cook\n",
            "\ntext\n",
        ),
    ] {
        let text = format!("{before}{words}{after}");
        assert!(rest(&text).contains(words), "{text}");
    }
}

#[test]
fn nothing_takes_quadratic_time() {
    let data = uu_lines(&noise(45), '`');
    let line = base64(&noise(48), 64);
    for unit in [
        "begin 644 a\n",
        &format!("begin 644 a\n{data}"),
        &data,
        &line,
        "=ybegin line=128 size=9 name=a\n",
        "=ybegin line=128 size=9 name=a\nword\n",
        "(This file must be converted with BinHex 4.0)\n",
        "(This file must be converted with BinHex 4.0)\n:\n",
        "-----BEGIN A-----\n",
        "-----BEGIN A-----\nB: c\n",
        "A: b\n",
        "- ",
        "> ",
        ">",
        "JD> a\n",
        "A",
        "=\n",
        "\n",
    ] {
        let text = unit.repeat((1 << 20) / unit.len());
        let polls = std::cell::Cell::new(0);
        let start = std::time::Instant::now();
        let many = blocks(&text, &|| polls.set(polls.get() + 1)).count();
        assert!(start.elapsed().as_secs() < 20, "{unit} {many}");
        assert!(
            polls.get() >= text.len() >> 17 || !text.contains('\n'),
            "{unit} {}",
            polls.get()
        );
    }
}
