//! Header fields of a message (RFC 5322, 6532) from what payloads have: lists, objects, addresses as
//! objects, times as numbers.

use crate::json::{Field, Json};
use crate::poll::Poll;

/// Objects within objects that an address is looked for in.
const ADDRESS_DEPTH: usize = 4;
/// Longest name of a header field.
const MAX_NAME: usize = 100;

/// What can stand in one line of a header: line breaks and other control characters become spaces.
pub(crate) fn line(value: &str) -> String {
    let is_blank = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let value = value.trim_matches(|c: char| c.is_whitespace() || is_blank(c));
    value
        .chars()
        .map(|c| if is_blank(c) { ' ' } else { c })
        .collect()
}

/// The fields of a header that came as an object, a list of objects or pairs, or one text.
/// Those of the body are left out: it is composed anew, and says itself how.
pub(crate) fn fields(headers: &Json, poll: Poll) -> Vec<(String, String)> {
    let mut found = fields_as_they_are(headers, poll);
    found.retain_mut(|(name, value)| {
        poll();
        *value = line(value);
        let is_name = (1..=MAX_NAME).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        let small = name.to_ascii_lowercase();
        is_name && !value.is_empty() && !small.starts_with("content-") && small != "mime-version"
    });
    found
}

/// All of them, whatever their names and values are.
pub(crate) fn fields_as_they_are(headers: &Json, poll: Poll) -> Vec<(String, String)> {
    let mut found = Vec::new();
    match headers {
        // Long lines are continued on the next one.
        Json::Text(text) => {
            for next in text.lines() {
                poll();
                match (next.starts_with([' ', '\t']), found.last_mut()) {
                    (true, Some((_, value))) => {
                        let value: &mut String = value;
                        value.push(' ');
                        value.push_str(next.trim());
                    }
                    _ => found.extend(of_line(next)),
                }
            }
        }
        Json::List(elements) => {
            for element in elements {
                poll();
                of_element(element, &mut found);
            }
        }
        Json::Object(fields) => {
            for Field { key, value, .. } in fields {
                poll();
                named(key, value, &mut found);
            }
        }
        _ => {}
    }
    found
}

fn of_line(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().to_owned(), value.to_owned()))
}

/// `{"Name", "Value"}`, `[name, value]`, `{"key", "line"}`, `{name: value}`.
fn of_element(element: &Json, found: &mut Vec<(String, String)>) {
    let pair = match element {
        Json::List(pair) => Some((pair.first(), pair.get(1))),
        Json::Text(text) => {
            found.extend(of_line(text));
            return;
        }
        _ => None,
    };
    let name = element.get("name").or_else(|| element.get("key"));
    let (name, value) = pair.unwrap_or((name, element.get("value")));
    match (name.and_then(Json::text), value, element.get("line")) {
        (Some(name), Some(value), _) => named(name, value, found),
        (_, _, Some(Json::Text(text))) => found.extend(of_line(&text.replace(['\r', '\n'], " "))),
        _ => {
            for Field { key, value, .. } in element.fields() {
                named(key, value, found);
            }
        }
    }
}

/// A field with its value, or with each of its values.
fn named(name: &str, value: &Json, found: &mut Vec<(String, String)>) {
    // Ruby's kind of names.
    let name = name.trim().replace('_', "-");
    let parsed = value.get("text").or_else(|| value.get("value"));
    match parsed.unwrap_or(value) {
        Json::List(values) => {
            let texts = values.iter().filter_map(Json::scalar);
            found.extend(texts.map(|text| (name.clone(), text.to_owned())));
        }
        value => found.extend(value.scalar().map(|text| (name, text.to_owned()))),
    }
}

/// Addresses for a header, from a text, an object with address and name, a pair of these, or a
/// list of such.
pub(crate) fn addresses(value: &Json, poll: Poll) -> Option<String> {
    let mut found = Vec::new();
    collect(value, ADDRESS_DEPTH, &mut found, poll);
    (!found.is_empty()).then(|| found.join(", "))
}

fn collect(value: &Json, depth: usize, found: &mut Vec<String>, poll: Poll) {
    poll();
    let Some(deeper) = depth.checked_sub(1) else {
        return;
    };
    match value {
        Json::Text(text) => found.extend(written(text)),
        // [address, name], among others.
        Json::List(elements)
            if depth < ADDRESS_DEPTH && elements.len() == 2 && is_pair(elements) =>
        {
            let name = elements[1].text();
            found.extend(
                elements[0]
                    .text()
                    .and_then(|address| with_name(address, name)),
            );
        }
        Json::List(elements) => {
            for element in elements {
                collect(element, deeper, found, poll);
            }
        }
        Json::Object(_) => {
            let inner = [
                "value",
                "data",
                "emailaddress",
                "email",
                "group",
                "contacts",
                "addresses",
            ];
            let inner = inner.iter().filter_map(|name| value.get(name));
            let mut inner = inner.filter(|v| matches!(v, Json::List(_) | Json::Object(_)));
            if let Some(inner) = inner.next() {
                return collect(inner, deeper, found, poll);
            }
            let address = [
                "email",
                "address",
                "emailaddress",
                "mail",
                "handle",
                "value",
                "raw",
                "text",
            ];
            let address = address.iter().filter_map(|name| value.get(name)?.text());
            if let Some(address) = address.map(str::trim).find(|address| !address.is_empty()) {
                found.extend(with_name(address, name_in(value).as_deref()));
            }
        }
        _ => {}
    }
}

fn is_pair(elements: &[Json]) -> bool {
    let is_address = |text: &str| text.contains('@');
    elements[0].text().is_some_and(is_address)
        && (elements[1] == Json::Null || elements[1].text().is_some_and(|t| !is_address(t)))
}

/// Addresses as somebody has written them; some programs separate them with semicolons.
fn written(text: &str) -> Option<String> {
    let text = line(text);
    let is_separated = text.contains(';') && !text.contains([',', ':', '"']);
    let text = match is_separated {
        true => {
            let each = text.split(';').map(str::trim).filter(|t| !t.is_empty());
            each.collect::<Vec<_>>().join(", ")
        }
        false => text,
    };
    (!text.is_empty()).then_some(text)
}

/// The name of a person in an object.
pub(crate) fn name_in(value: &Json) -> Option<String> {
    let text = |name: &str| {
        value
            .get(name)?
            .text()
            .map(str::trim)
            .filter(|t| !t.is_empty())
    };
    let whole = ["name", "displayname", "fullname"]
        .iter()
        .find_map(|name| text(name));
    let first = text("firstname").or_else(|| text("first"));
    let last = text("lastname").or_else(|| text("last"));
    let parts: Vec<&str> = first.into_iter().chain(last).collect();
    let whole = whole.map(str::to_owned);
    whole.or_else(|| (!parts.is_empty()).then(|| parts.join(" ")))
}

/// `"name" <address>`.
pub(crate) fn with_name(address: &str, name: Option<&str>) -> Option<String> {
    let address = line(address);
    let name = name
        .map(line)
        .filter(|name| !name.is_empty() && *name != address);
    match name {
        _ if address.is_empty() => None,
        Some(name) if !address.contains(['<', ',']) => {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            let address: String = address
                .chars()
                .filter(|c| !matches!(c, '<' | '>' | ' '))
                .collect();
            Some(format!("\"{name}\" <{address}>"))
        }
        _ => Some(address),
    }
}

/// Ids for a header: in angle brackets, of a text or a list of texts.
pub(crate) fn ids(value: &Json) -> Option<String> {
    let texts: Vec<&str> = match value {
        Json::Text(text) => vec![text],
        list => list.elements().iter().filter_map(Json::text).collect(),
    };
    let ids = texts.into_iter().map(line).filter(|id| !id.is_empty());
    let ids: Vec<String> = ids
        .map(|id| {
            if id.contains('<') {
                id
            } else {
                format!("<{id}>")
            }
        })
        .collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

/// A date for a header, from seconds or milliseconds since 1970, ISO 8601, or a date as mail has it.
pub(crate) fn date(value: &Json) -> Option<String> {
    let text = line(value.scalar()?);
    let text: String = text.chars().take(100).collect();
    let digits = text.split_once('.').map_or(&*text, |(whole, _)| whole);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match (is_number, digits.len()) {
        (true, 8..=11) => Some(of_seconds(digits.parse().ok()?)),
        (true, 12..=14) => Some(of_seconds(digits.parse::<u64>().ok()? / 1000)),
        (true, _) => None,
        _ => Some(extended(&text).unwrap_or(text)),
    }
}

/// ISO 8601 as mail is read: with the hyphens and colons that its short form leaves out.
fn extended(text: &str) -> Option<String> {
    let (day, time) = text.split_once('T')?;
    let (time, zone) = time.split_at_checked(6)?;
    let is_short =
        |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
    (is_short(day, 8) && is_short(time, 6)).then(|| {
        let (y, m, d) = (&day[..4], &day[4..6], &day[6..]);
        format!(
            "{y}-{m}-{d}T{}:{}:{}{zone}",
            &time[..2],
            &time[2..4],
            &time[4..]
        )
    })
}

/// ISO 8601 of seconds since 1970.
fn of_seconds(seconds: u64) -> String {
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970 + 400 * (days / 146_097);
    days %= 146_097;
    loop {
        let length = 365 + u64::from(is_leap(year));
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 1;
    for length in [
        31,
        28 + u64::from(is_leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
        days + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text, &|| ()).unwrap_or(Json::Null)
    }

    #[test]
    fn addresses_come_in_many_forms() {
        for (text, wanted) in [
            (r#""Ann <ann@x.org>""#, "Ann <ann@x.org>"),
            (
                r#"{"Email": "ann@x.org", "Name": "Ann"}"#,
                "\"Ann\" <ann@x.org>",
            ),
            (
                r#"{"emailAddress": {"name": "Ann", "address": "ann@x.org"}}"#,
                "\"Ann\" <ann@x.org>",
            ),
            (
                r#"{"value": [{"address": "ann@x.org", "name": ""}], "html": "x"}"#,
                "ann@x.org",
            ),
            (
                r#"{"raw": "x", "data": [{"email": "ann@x.org"}]}"#,
                "ann@x.org",
            ),
            (
                r#"[["ann@x.org", null], ["bob@x.org", "Bob"]]"#,
                "ann@x.org, \"Bob\" <bob@x.org>",
            ),
            (r#"["a@x.org", "b@x.org"]"#, "a@x.org, b@x.org"),
            (r#""a@x.org;b@x.org""#, "a@x.org, b@x.org"),
            (
                r#"{"email": "ann@x.org", "first": "Ann", "last": "B"}"#,
                "\"Ann B\" <ann@x.org>",
            ),
            (
                r#"{"name": "g", "group": [{"address": "ann@x.org"}]}"#,
                "ann@x.org",
            ),
        ] {
            assert_eq!(
                addresses(&json(text), &|| ()).as_deref(),
                Some(wanted),
                "{text}"
            );
        }
        for text in [
            "17",
            "null",
            "{}",
            "[]",
            r#"{"email": {"email": {"email": {"email": {"email": "x"}}}}}"#,
        ] {
            assert_eq!(addresses(&json(text), &|| ()), None, "{text}");
        }
    }

    #[test]
    fn dates_come_in_many_forms() {
        for (text, wanted) in [
            ("1772438400", Some("2026-03-02T08:00:00Z")),
            ("\"1772438400000\"", Some("2026-03-02T08:00:00Z")),
            ("951782400", Some("2000-02-29T00:00:00Z")),
            ("\"20260303T090000\"", Some("2026-03-03T09:00:00")),
            (
                "\"Tue, 3 Mar 2026 10:00:00 +0100\"",
                Some("Tue, 3 Mar 2026 10:00:00 +0100"),
            ),
            ("17", None),
            ("{}", None),
            ("9999999999999999999999", None),
        ] {
            assert_eq!(date(&json(text)).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn headers_come_in_many_forms() {
        let wanted = [("X-A".to_owned(), "b c".to_owned())];
        for text in [
            r#""X-A: b\r\n c\r\nContent-Type: x\r\nnothing""#,
            r#"[["X-A", "b\nc"]]"#,
            r#"[{"Name": "X-A", "Value": "b c"}, {"name": "MIME-Version", "value": "1.0"}]"#,
            r#"[{"key": "x-a", "line": "X-A: b\r\n c"}]"#,
            r#"[{"X-A": "b c"}]"#,
            r#"{"X_A": ["b c"], "x b": "c", "x-c": {}, "x-d": 1e9}"#,
            r#"{"X-A": {"value": [{"address": "x"}], "text": "b c"}}"#,
        ] {
            let found = fields(&json(text), &|| ());
            let found: Vec<_> = found
                .into_iter()
                .filter(|f| f.0 != "x-d")
                .map(|f| (f.0, f.1.replace("   ", " ")))
                .collect();
            assert_eq!(found, wanted, "{text}");
        }
    }
}
