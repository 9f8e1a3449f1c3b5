//! Dates of messages (RFC 5322 sections 3.3 and 4.3), and the forms that programs write
//! instead: of C's `asctime`, of ISO 8601, with a month's name between hyphens. mail-parser's
//! reader takes zones modulo twelve hours and wants a zone, so it is not used.

const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// Zones that have a name (RFC 5322 section 4.3), in hours. Others count as UTC.
const ZONES: [(&[u8], i64); 8] = [
    (b"edt", -4),
    (b"est", -5),
    (b"cdt", -5),
    (b"cst", -6),
    (b"mdt", -6),
    (b"mst", -7),
    (b"pdt", -7),
    (b"pst", -8),
];

const DAY: i64 = 86_400;

#[derive(Default)]
struct Found {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    /// Seconds since midnight.
    time: Option<i64>,
    /// Seconds east of UTC.
    zone: Option<i64>,
}

/// Seconds since 1970-01-01 UTC; `None` if it is no date or an impossible one. Without a zone
/// it is UTC. What stands before the last semicolon does not count (Received).
pub(crate) fn parse(text: &str) -> Option<i64> {
    let text = text.rsplit_once(';').map_or(text, |(_, date)| date);
    let bytes = text.as_bytes();
    let mut found = Found::default();
    let (mut at, mut comment) = (0, 0_usize);
    while at < bytes.len() {
        let b = bytes[at];
        if b == b'(' || b == b')' {
            comment = if b == b'(' {
                comment + 1
            } else {
                comment.saturating_sub(1)
            };
            at += 1;
            continue;
        }
        let run = |is: fn(&u8) -> bool| bytes[at..].iter().take_while(|b| is(b)).count();
        if comment > 0 {
            at += 1;
        } else if b.is_ascii_digit() {
            // More digits than any part of a date has end up as an impossible one.
            let end = at + run(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'));
            let sign = at.checked_sub(1).map(|before| bytes[before]);
            found.digits(&bytes[at..end], sign)?;
            at = end;
        } else if b.is_ascii_alphabetic() {
            let end = at + run(u8::is_ascii_alphabetic);
            found.word(&bytes[at..end]);
            at = end;
        } else {
            at += 1;
        }
    }
    found.seconds()
}

impl Found {
    /// `None` if there are numbers that mean nothing.
    fn digits(&mut self, text: &[u8], before: Option<u8>) -> Option<()> {
        if self.time.is_some()
            && self.zone.is_none()
            && let Some(sign @ (b'+' | b'-')) = before
        {
            let digits: Vec<u8> = text
                .iter()
                .filter(|b| b.is_ascii_digit())
                .copied()
                .collect();
            let value = number(&digits)?;
            let (hours, minutes) = match digits.len() {
                1 | 2 => (value, 0),
                3 | 4 => (value / 100, value % 100),
                _ => return None,
            };
            let zone = hours * 3600 + minutes * 60;
            let zone = if sign == b'-' { -zone } else { zone };
            self.zone = Some(if zone.abs() < DAY { zone } else { 0 });
            return Some(());
        }
        if self.time.is_none() && text.contains(&b':') {
            let mut parts = text.split(|&b| matches!(b, b':' | b'.'));
            let mut next = |limit| match parts.next() {
                Some(part) => number(part).filter(|&n| n <= limit),
                None => Some(0),
            };
            // A leap second is the second after.
            self.time = Some(next(23)? * 3600 + next(59)? * 60 + next(60)?);
            return Some(());
        }
        let digits = text.strip_suffix(b".").unwrap_or(text);
        let value = number(digits)?;
        if self.day.is_none() && digits.len() <= 2 {
            // 2026-03-09
            if self.year.is_some() && self.month.is_none() {
                self.month = Some(value);
            } else {
                self.day = Some(value);
            }
        } else if self.year.is_none() {
            self.year = Some(match (digits.len(), value) {
                (4, _) => value,
                (2, 0..50) => value + 2000,
                (2 | 3, _) => value + 1900,
                _ => return None,
            });
        }
        Some(())
    }

    fn word(&mut self, text: &[u8]) {
        let word = text.to_ascii_lowercase();
        if let Some(month) = MONTHS.iter().position(|m| word.starts_with(*m))
            && self.month.is_none()
        {
            self.month = Some(month as i64 + 1);
        } else if let Some(time) = self.time {
            match word.as_slice() {
                b"pm" if time < DAY / 2 => self.time = Some(time + DAY / 2),
                b"am" if time >= DAY / 2 => self.time = Some(time - DAY / 2),
                _ if self.zone.is_none() => {
                    let zone = ZONES.iter().find(|(name, _)| *name == word);
                    self.zone = zone.map(|(_, hours)| hours * 3600);
                }
                _ => {}
            }
        }
    }

    fn seconds(&self) -> Option<i64> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if !(1900..=9999).contains(&year) || !(1..=days).contains(&day) {
            return None;
        }
        // Days in years that begin in March, so that a leap day is the last one.
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let leap_days = year / 4 - year / 100 + year / 400;
        let since = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468;
        Some(since * DAY + self.time.unwrap_or(0) - self.zone.unwrap_or(0))
    }
}

/// A number of up to six digits.
fn number(digits: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(digits).ok()?;
    (digits.len() <= 6).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::parse;

    const TIME: Option<i64> = Some(1_772_528_400); // 2026-03-03 09:00:00 UTC

    #[test]
    fn every_way_to_write_a_date() {
        for text in [
            "Tue, 3 Mar 2026 10:00:00 +0100",
            "3 Mar 26 9:00 GMT",
            "Tue, 03 Mar 2026 22:00:00 +1300 (NZDT)",
            "Tue, 3 Mar 2026 01:00:00 -0800 (a (nested) comment)",
            "Tue, 3 Mar 2026 04:00:00 EST",
            "Tue Mar  3 09:00:00 2026",
            "Tue, 03-Mar-2026 09:00:00 GMT",
            "2026-03-03T10:00:00+01:00",
            "2026-03-03 09:00:00.25 Z",
            "3 March 126 9:00:00 AM",
            "from a by b; Tue, 3 Mar 2026 09:00:00 -0000",
        ] {
            assert_eq!(parse(text), TIME, "{text}");
        }
        assert_eq!(parse("1 Jan 1970 00:00 +0000"), Some(0));
        assert_eq!(parse("29 Feb 2000 12:00 UT"), Some(951_825_600));
        assert_eq!(parse("31 Dec 1969 23:59:59 UT"), Some(-1));
    }

    #[test]
    fn impossible_dates_are_none() {
        for text in [
            "",
            "yesterday",
            "31 Feb 2026 10:00:00 +0000",
            "29 Feb 1900 10:00:00 +0000",
            "3 Mar 2026 25:00:00 +0000",
            "3 Mar 2026 10:61:00 +0000",
            "0 Mar 2026 10:00:00 +0000",
            "3 Mar 99999999999999999999 10:00",
            "10:00:00 +0000",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
