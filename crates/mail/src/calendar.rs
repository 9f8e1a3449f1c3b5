//! Calendars (iCalendar, RFC 5545; invitations, RFC 5546; vCalendar 1.0): what, when, where and
//! who, as mail programs show an invitation.

use crate::content_line::{Properties, Property};
use crate::html;
use crate::poll::Poll;
use crate::stand_in::{may_stand_in, stands_in};

/// Longest value that is shown in one line, in bytes.
const MAX_VALUE_BYTES: usize = 1 << 10;
/// Longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 64 << 10;
/// Attendees that are named.
const MAX_ATTENDEES: usize = 10;
/// How much of a description, in characters without white space, tells whether a text has it,
/// and how much of that text is looked at, in bytes.
const SAID_CHARS: usize = 80;
const SAID_BYTES: usize = 8 << 10;

/// The events and tasks of a calendar whose lines end with LF, at most about `limit` bytes of
/// them. `None` if it is no calendar. The first description is left out if `said` has its
/// beginning: the reader has seen that.
pub(crate) fn to_text(text: &str, said: &str, limit: usize, poll: Poll) -> Option<String> {
    let mut said = &said[..said.floor_char_boundary(SAID_BYTES)];
    let mut out = String::new();
    let mut found = false;
    let mut method = String::new();
    let mut entry: Option<Entry> = None;
    for property in Properties::new(text, poll) {
        if out.len() > limit {
            break;
        }
        let name = property.name().to_ascii_uppercase();
        match (&mut entry, name.as_str()) {
            (None, "BEGIN") => {
                found |= property.raw().eq_ignore_ascii_case("vcalendar");
                entry = Entry::of(property.raw());
            }
            (None, "METHOD") => method = property.raw().to_ascii_uppercase(),
            // What is within, an alarm, has texts of its own.
            (Some(open), "BEGIN") => open.within += 1,
            (Some(open), "END") if open.within > 0 => open.within -= 1,
            (Some(open), "END") => {
                open.write(&method, said, poll, &mut out);
                entry = None;
                // For each of a hundred thousand it would take long.
                said = "";
            }
            (Some(open), name) if open.within == 0 => open.read(name, &property),
            _ => {}
        }
    }
    if let Some(open) = entry {
        open.write(&method, said, poll, &mut out);
        found = true;
    }
    (found || !out.is_empty()).then_some(out)
}

/// An event, a task, a note.
#[derive(Default)]
struct Entry {
    kind: &'static str,
    /// Components that are open within it.
    within: usize,
    summary: String,
    start: Option<Moment>,
    end: Option<Moment>,
    /// Instead of an end.
    lasts: String,
    repeats: &'static str,
    place: String,
    organizer: String,
    attendees: Vec<String>,
    /// What an attendee answers.
    answer: String,
    cancelled: bool,
    description: String,
    /// The description as HTML.
    markup: String,
    comment: String,
}

impl Entry {
    fn of(component: &str) -> Option<Self> {
        let kind = match component.to_ascii_uppercase().as_str() {
            "VEVENT" => "Event",
            "VTODO" => "Task",
            "VJOURNAL" => "Note",
            _ => return None,
        };
        Some(Self {
            kind,
            ..Self::default()
        })
    }

    fn read(&mut self, name: &str, property: &Property) {
        match name {
            // Programs show the first of each; more than one is a mistake, or hides it.
            "SUMMARY" if self.summary.is_empty() => self.summary = line(property),
            "DTSTART" if self.start.is_none() => self.start = Moment::of(property),
            "DTEND" | "DUE" if self.end.is_none() => self.end = Moment::of(property),
            "DURATION" => self.lasts = lasts(property.raw()),
            "RRULE" => self.repeats = repeats(property.raw()),
            "LOCATION" if self.place.is_empty() => self.place = line(property),
            "ORGANIZER" if self.organizer.is_empty() => self.organizer = person(property),
            "ATTENDEE" => {
                if let Some(answer) = property.parameter("partstat") {
                    self.answer = answer.to_ascii_uppercase();
                }
                if self.attendees.len() < MAX_ATTENDEES {
                    self.attendees.push(person(property));
                }
            }
            "STATUS" => self.cancelled |= property.raw().eq_ignore_ascii_case("cancelled"),
            "DESCRIPTION" if is_blank(&self.description) => self.description = property.text(),
            "X-ALT-DESC" if is_blank(&self.markup) => self.markup = property.text(),
            "COMMENT" if is_blank(&self.comment) => self.comment = property.text(),
            _ => {}
        }
    }

    /// What it is, as the subjects of invitations call it.
    fn title(&self, method: &str) -> &'static str {
        match (method, self.answer.as_str()) {
            ("CANCEL", _) => "Cancelled",
            _ if self.cancelled => "Cancelled",
            ("REPLY", "ACCEPTED") => "Accepted",
            ("REPLY", "DECLINED") => "Declined",
            ("REPLY", "TENTATIVE") => "Tentatively accepted",
            ("REPLY", "DELEGATED") => "Delegated",
            ("REPLY", _) => "Reply",
            ("COUNTER", _) => "New time proposed",
            ("REQUEST" | "ADD", _) => "Invitation",
            _ => self.kind,
        }
    }

    fn write(&self, method: &str, said: &str, poll: Poll, out: &mut String) {
        let mut when = when(self.start.as_ref(), self.end.as_ref());
        if !when.is_empty() {
            when += &self.lasts;
            when += self.repeats;
        }
        let seen = |text: &str| {
            let text = text.trim();
            let is_html = text.contains("</") || text.contains("<br");
            let html = is_html.then(|| html::to_text(text, MAX_DESCRIPTION_BYTES, poll));
            html.flatten().unwrap_or_else(|| text.to_owned())
        };
        // As of two alternatives of a message.
        let (plain, rich) = (seen(&self.description), seen(&self.markup));
        let rich_counts = may_stand_in(&plain) && stands_in(&plain, &rich, poll);
        let mut description = if rich_counts { rich } else { plain };
        if is_said(&description, said) {
            description.clear();
        }
        let facts = [
            (self.title(method), self.summary.as_str()),
            ("When", &when),
            ("Where", &self.place),
            ("Organizer", &self.organizer),
            ("Attendees", &self.attendees.join(", ")),
        ];
        let facts: Vec<_> = facts.into_iter().filter(|f| !f.1.is_empty()).collect();
        let facts: Vec<_> = facts.iter().map(|f| format!("{}: {}", f.0, f.1)).collect();
        for paragraph in [&facts.join("\n"), &description, self.comment.trim()] {
            if !paragraph.is_empty() {
                out.push_str(if out.is_empty() { "" } else { "\n\n" });
                out.push_str(paragraph);
            }
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// A value as one line.
fn line(property: &Property) -> String {
    let mut line = property.line();
    line.truncate(line.floor_char_boundary(MAX_VALUE_BYTES));
    line
}

/// `Name <address>`, or the one of both that is there.
fn person(property: &Property) -> String {
    let address = line(property);
    let address = match address.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => &address[7..],
        _ => &address,
    };
    let name = property.parameter("cn").unwrap_or_default();
    let name = &name[..name.floor_char_boundary(MAX_VALUE_BYTES)];
    let name = name.replace('\\', "");
    match (name.as_str(), address) {
        ("", address) => address.to_owned(),
        (name, "") => name.to_owned(),
        (name, address) if name.eq_ignore_ascii_case(address) => address.to_owned(),
        (name, address) => format!("{name} <{address}>"),
    }
}

/// How often, of a rule (RFC 5545 section 3.3.10).
fn repeats(rule: &str) -> &'static str {
    let rule = rule.to_ascii_uppercase();
    let often = rule.split(';').find_map(|part| part.strip_prefix("FREQ="));
    match often {
        Some("DAILY") => ", daily",
        Some("WEEKLY") => ", weekly",
        Some("MONTHLY") => ", monthly",
        Some("YEARLY") => ", yearly",
        _ => "",
    }
}

/// How long, of `PT1H30M` (RFC 5545 section 3.3.6): ` for 1 h 30 min`.
fn lasts(duration: &str) -> String {
    let mut text = String::new();
    let mut number = String::new();
    for c in duration.chars().take(MAX_VALUE_BYTES) {
        let unit = match c.to_ascii_uppercase() {
            'W' => "weeks",
            'D' => "days",
            'H' => "h",
            'M' => "min",
            '0'..='9' => {
                number.push(c);
                continue;
            }
            _ => "",
        };
        if !unit.is_empty() && number.bytes().any(|b| b != b'0') {
            text += &format!(" {number} {unit}");
        }
        number.clear();
    }
    if text.is_empty() {
        text
    } else {
        format!(" for{text}")
    }
}

/// A date, or a time on it.
struct Moment {
    /// Year, month, day.
    date: (u16, u8, u8),
    /// `09:00`.
    time: Option<String>,
    zone: String,
}

impl Moment {
    /// `20260310T090000Z` (RFC 5545 section 3.3.5), also with hyphens and colons.
    fn of(property: &Property) -> Option<Self> {
        let value = property.raw().as_bytes();
        let value = &value[..value.len().min(MAX_VALUE_BYTES)];
        let digits: Vec<u8> = value
            .iter()
            .filter(|b| b.is_ascii_digit())
            .copied()
            .collect();
        let number = |range| {
            let digits: &[u8] = digits.get(range)?;
            Some(digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0')))
        };
        let date = (number(0..4)?, number(4..6)? as u8, number(6..8)? as u8);
        if !(1..=12).contains(&date.1) || !(1..=31).contains(&date.2) {
            return None;
        }
        let time = number(8..10).zip(number(10..12));
        let zone = if time.is_none() {
            ""
        } else if value.last().is_some_and(|b| b.eq_ignore_ascii_case(&b'Z')) {
            "UTC"
        } else {
            zone(property.parameter("tzid").unwrap_or_default())
        };
        Some(Self {
            date,
            time: time.map(|(hour, minute)| format!("{hour:02}:{minute:02}")),
            zone: zone.to_owned(),
        })
    }

    /// The day before: an end that is a date is the first day after (RFC 5545 section 3.6.1).
    fn day_before(&self) -> (u16, u8, u8) {
        let (year, month, day) = self.date;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        match (month, day) {
            (1, 1) => (year.saturating_sub(1), 12, 31),
            (3, 1) => (year, 2, if leap { 29 } else { 28 }),
            (5 | 7 | 10 | 12, 1) => (year, month - 1, 30),
            (_, 1) => (year, month - 1, 31),
            _ => (year, month, day - 1),
        }
    }
}

/// A name of a zone; of those with a path (`/example.org/Europe/Berlin`) its end. None that
/// says nothing to people.
fn zone(name: &str) -> &str {
    let name = &name[..name.floor_char_boundary(MAX_VALUE_BYTES)];
    if name.contains("://") {
        return "";
    }
    if !name.starts_with('/') {
        return name;
    }
    let mut slashes = name.rmatch_indices('/');
    slashes.nth(1).map_or(name, |(at, _)| &name[at + 1..])
}

/// `2026-03-10 09:00 to 10:00 UTC`.
fn when(start: Option<&Moment>, end: Option<&Moment>) -> String {
    let day = |(year, month, day): (u16, u8, u8)| format!("{year:04}-{month:02}-{day:02}");
    let full = |moment: &Moment| {
        let time = moment.time.as_ref();
        [Some(&day(moment.date)), time]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let (Some(start), Some(end)) = (start, end) else {
        return match (start, end) {
            (Some(start), _) => format!("{} {}", full(start), start.zone).trim().to_owned(),
            (_, Some(end)) => format!("until {} {}", full(end), end.zone)
                .trim()
                .to_owned(),
            _ => String::new(),
        };
    };
    let until = match &end.time {
        None if end.day_before() <= start.date => String::new(),
        None => day(end.day_before()),
        Some(time) if end.date == start.date => time.clone(),
        Some(_) => full(end),
    };
    let mut text = full(start);
    if start.zone != end.zone {
        text = format!("{text} {}", start.zone).trim().to_owned();
    }
    if !until.is_empty() {
        text = format!("{text} to {until}");
    }
    format!("{text} {}", end.zone).trim().to_owned()
}

/// Whether a text has the beginning of a description, whatever their blanks are.
fn is_said(description: &str, text: &str) -> bool {
    let without_blanks = |text: &str, chars| -> String {
        text.chars()
            .filter(|c| !c.is_whitespace())
            .take(chars)
            .collect()
    };
    let begin = without_blanks(description, SAID_CHARS);
    let text = without_blanks(text, SAID_BYTES);
    !begin.is_empty() && memchr::memmem::find(text.as_bytes(), begin.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(calendar: &str) -> String {
        to_text(calendar, "", 1 << 20, &|| ()).unwrap_or_default()
    }

    fn when_of(lines: &str) -> String {
        let text = read(&format!("BEGIN:VEVENT\n{lines}\nEND:VEVENT\n"));
        text.strip_prefix("When: ").unwrap_or(&text).to_owned()
    }

    #[test]
    fn an_invitation_says_what_when_where_and_who() {
        let text = read(
            "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:19701025T030000\nEND:STANDARD\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:1@example.org\nORGANIZER;CN=\"Ann: Sales\":mailto:ann@example.org\nATTENDEE;PARTSTAT=NEEDS-ACTION;CN=bob@example.org:MAILTO:bob@example.org\nDTSTART;TZID=Europe/Berlin:20260310T090000\nDTEND;TZID=Europe/Berlin:20260310T103000\nRRULE:FREQ=WEEKLY;COUNT=3\nSUMMARY:Budget\n  meeting\nLOCATION:Room 4\\, north\nDESCRIPTION:Bring the list.\\nThanks\nBEGIN:VALARM\nDESCRIPTION:REMINDER\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR\n",
        );
        assert_eq!(
            text,
            "Invitation: Budget meeting\nWhen: 2026-03-10 09:00 to 10:30 Europe/Berlin, weekly\nWhere: Room 4, north\nOrganizer: Ann: Sales <ann@example.org>\nAttendees: bob@example.org\n\nBring the list.\nThanks"
        );
    }

    #[test]
    fn times_as_people_write_them() {
        for (lines, when) in [
            (
                "DTSTART:20260310T090000Z\nDTEND:20260310T100000Z",
                "2026-03-10 09:00 to 10:00 UTC",
            ),
            (
                "DTSTART:20260310T230000\nDTEND:20260311T010000",
                "2026-03-10 23:00 to 2026-03-11 01:00",
            ),
            (
                "DTSTART;VALUE=DATE:20260228\nDTEND;VALUE=DATE:20260301",
                "2026-02-28",
            ),
            (
                "DTSTART;VALUE=DATE:20240228\nDTEND;VALUE=DATE:20240301",
                "2024-02-28 to 2024-02-29",
            ),
            ("DTSTART:2026-03-10T09:00:00Z", "2026-03-10 09:00 UTC"),
            (
                "DTSTART:20260310T090000Z\nDURATION:PT1H30M",
                "2026-03-10 09:00 UTC for 1 h 30 min",
            ),
            (
                "DTSTART:20260310\nDURATION:+P2D\nRRULE:FREQ=DAILY",
                "2026-03-10 for 2 days, daily",
            ),
            ("DUE:20260310", "until 2026-03-10"),
            (
                "DTSTART;TZID=/x.org/1/Europe/Rome:20260310T090000",
                "2026-03-10 09:00 Europe/Rome",
            ),
            (
                "DTSTART;TZID=A:20260310T090000\nDTEND:20260310T100000Z",
                "2026-03-10 09:00 A to 10:00 UTC",
            ),
            ("DTSTART:20261310T090000Z", ""),
            ("DTSTART:soon", ""),
        ] {
            assert_eq!(when_of(lines), when, "{lines}");
        }
    }

    #[test]
    fn methods_are_named_as_in_subjects() {
        let title = |method: &str, lines: &str| {
            read(&format!(
                "BEGIN:VCALENDAR\nMETHOD:{method}\nBEGIN:VEVENT\nSUMMARY:x\n{lines}\nEND:VEVENT"
            ))
        };
        assert_eq!(title("CANCEL", ""), "Cancelled: x");
        assert_eq!(title("PUBLISH", ""), "Event: x");
        assert_eq!(title("PUBLISH", "STATUS:CANCELLED"), "Cancelled: x");
        assert_eq!(
            title(
                "reply",
                "ATTENDEE;PARTSTAT=DECLINED:mailto:b@x.org\nCOMMENT:I am away"
            ),
            "Declined: x\nAttendees: b@x.org\n\nI am away"
        );
        assert_eq!(read("BEGIN:VTODO\nSUMMARY:pay\nEND:VTODO"), "Task: pay");
        assert_eq!(read("BEGIN:VEVENT\nSUMMARY:open"), "Event: open");
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let calendar = "BEGIN:VEVENT\nSUMMARY:x\nDESCRIPTION:Bring the\\nlist\nEND:VEVENT\n";
        let text = |said| to_text(calendar, said, 1000, &|| ()).unwrap();
        assert_eq!(text("Hello, bring the list"), "Event: x\n\nBring the\nlist");
        assert_eq!(text("Please: Bring the list\nof"), "Event: x");
    }

    #[test]
    fn descriptions_in_html() {
        let text = read("BEGIN:VEVENT\nDESCRIPTION:<p>one</p><p>two</p>\nEND:VEVENT");
        assert_eq!(text, "one\n\ntwo");
        let text = read("BEGIN:VEVENT\nX-ALT-DESC;FMTTYPE=text/html:<p>one</p>\nEND:VEVENT");
        assert_eq!(text, "one");
    }

    #[test]
    fn what_programs_show_is_what_is_read() {
        let words = "Buy watches and pills at half the price, today and on all other days.";
        for (first, second) in [
            ("SUMMARY:{}", "SUMMARY:Meeting"),
            ("DESCRIPTION:{}", "DESCRIPTION:The board meets."),
            ("LOCATION:{}", "LOCATION:Room 4"),
            ("DESCRIPTION: ", "DESCRIPTION:{}"),
            (
                "DESCRIPTION:The board meets.",
                "X-ALT-DESC;FMTTYPE=text/html:<p>{}</p>",
            ),
            (
                "X-ALT-DESC;FMTTYPE=text/html:<p>{}</p>",
                "DESCRIPTION:Reminder",
            ),
        ] {
            let lines = format!("{first}\n{second}").replace("{}", words);
            let text = read(&format!("BEGIN:VEVENT\n{lines}\nEND:VEVENT"));
            assert!(text.contains(words), "{lines}: {text}");
        }
        let both = format!("DESCRIPTION:{words}\nX-ALT-DESC:<p>{words}</p>");
        let text = read(&format!("BEGIN:VEVENT\n{both}\nEND:VEVENT"));
        assert_eq!(text, words);
        assert_eq!(when_of("DTSTART:20260310\nDTSTART:20270310"), "2026-03-10");
    }

    #[test]
    fn what_is_no_calendar() {
        for text in ["", "hello", "BEGIN:VCARD\nFN:x\nEND:VCARD"] {
            assert_eq!(to_text(text, "", 1000, &|| ()), None);
        }
        assert_eq!(
            to_text("BEGIN:VCALENDAR\n", "", 1000, &|| ()).as_deref(),
            Some("")
        );
    }
}
