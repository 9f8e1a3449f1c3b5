//! Reports for programs: of deliveries (RFC 3464), receipts (RFC 8098), complaints (RFC 5965).
//! What they say to people, for messages that do not say it in a text beside them.

use crate::poll::Poll;
use crate::words;

/// Longest value, in bytes.
const MAX_VALUE_BYTES: usize = 1 << 10;

/// What a part reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    Delivery,
    Receipt,
    Complaint,
}

impl Report {
    /// The report that this media type is.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        Some(match media_type {
            "message/delivery-status" | "message/global-delivery-status" => Self::Delivery,
            "message/disposition-notification" | "message/global-disposition-notification" => {
                Self::Receipt
            }
            "message/feedback-report" => Self::Complaint,
            _ => return None,
        })
    }

    /// The report as text, at most about `limit` bytes of it. Lines of `text` end with LF.
    pub(crate) fn text(self, text: &str, limit: usize, poll: Poll) -> String {
        let mut out = String::new();
        let mut group = Group::default();
        for line in text.split('\n') {
            if out.len() > limit {
                break;
            }
            poll();
            if line.trim().is_empty() {
                self.write(&group, &mut out);
                group = Group::default();
            } else if let Some(more) = line.strip_prefix([' ', '\t']) {
                group.fold(more);
            } else if let Some((name, value)) = line.split_once(':') {
                group.add(name, value);
            }
        }
        self.write(&group, &mut out);
        out
    }

    fn write(self, group: &Group, out: &mut String) {
        let text = match self {
            Self::Delivery => group.delivery(),
            Self::Receipt => group.receipt(),
            Self::Complaint => group.complaint(),
        };
        if let Some(text) = text {
            out.push_str(if out.is_empty() { "" } else { "\n\n" });
            out.push_str(&text);
        }
    }
}

/// The fields that are told.
const NAMES: [&str; 14] = [
    "action",
    "status",
    "final-recipient",
    "original-recipient",
    "diagnostic-code",
    "disposition",
    "error",
    "feedback-type",
    "source-ip",
    "original-mail-from",
    "original-rcpt-to",
    "reported-domain",
    "reported-uri",
    "arrival-date",
];

/// Fields up to an empty line: of the message, or of one recipient.
#[derive(Default)]
struct Group {
    /// As in [`NAMES`].
    values: [String; NAMES.len()],
    /// Which field the last line had.
    last: Option<usize>,
}

impl Group {
    /// The first field of a name counts.
    fn add(&mut self, name: &str, value: &str) {
        let known = |n: &str| n.eq_ignore_ascii_case(name.trim());
        let found = NAMES.iter().position(|n| known(n));
        self.last = found.filter(|&i| self.values[i].is_empty());
        self.fold(value);
    }

    fn fold(&mut self, more: &str) {
        let Some(value) = self.last.map(|i| &mut self.values[i]) else {
            return;
        };
        let more = more.trim();
        let gap = if value.is_empty() { "" } else { " " };
        let room = MAX_VALUE_BYTES.saturating_sub(value.len() + gap.len());
        if room > 0 {
            value.push_str(gap);
            value.push_str(&more[..more.floor_char_boundary(room)]);
        }
    }

    fn get(&self, name: &str) -> String {
        let value = NAMES.iter().position(|n| *n == name);
        let value = value.map_or("", |i| &self.values[i]);
        words::decode(value).into_owned()
    }

    /// A value behind its kind: `rfc822; ann@example.org`.
    fn behind_kind(&self, name: &str) -> String {
        let value = self.get(name);
        let value = value.split_once(';').map_or(&*value, |(_, value)| value);
        value.trim().trim_matches(['<', '>']).to_owned()
    }

    fn recipient(&self) -> String {
        match self.behind_kind("final-recipient") {
            none if none.is_empty() => self.behind_kind("original-recipient"),
            recipient => recipient,
        }
    }

    fn delivery(&self) -> Option<String> {
        let (action, status) = (self.get("action").to_ascii_lowercase(), self.get("status"));
        let (recipient, diagnosis) = (self.recipient(), self.behind_kind("diagnostic-code"));
        if [&action, &status, &recipient, &diagnosis]
            .iter()
            .all(|v| v.is_empty())
        {
            return None;
        }
        let title = match (action.as_str(), status.as_bytes().first()) {
            ("failed", _) | ("", Some(b'5')) => "Delivery failed",
            ("delayed", _) | ("", Some(b'4')) => "Delivery delayed",
            ("delivered", _) | ("", Some(b'2')) => "Delivered",
            ("relayed", _) => "Relayed",
            ("expanded", _) => "Delivered to a list",
            _ => "Delivery report",
        };
        let status = if status.is_empty() {
            status
        } else {
            format!("({status})")
        };
        Some(lines(&[
            (title, &format!("{recipient} {status}")),
            ("", &diagnosis),
        ]))
    }

    fn receipt(&self) -> Option<String> {
        let disposition = self.behind_kind("disposition");
        if disposition.is_empty() {
            return None;
        }
        let title = format!("Message {disposition}");
        Some(lines(&[
            (&title, &self.recipient()),
            ("", &self.get("error")),
        ]))
    }

    fn complaint(&self) -> Option<String> {
        let kind = self.get("feedback-type");
        if kind.is_empty() {
            return None;
        }
        Some(lines(&[
            ("Complaint", &kind),
            ("Sender", &self.behind_kind("original-mail-from")),
            ("Recipient", &self.behind_kind("original-rcpt-to")),
            ("Source", &self.get("source-ip")),
            ("Domain", &self.behind_kind("reported-domain")),
            ("Address", &self.get("reported-uri")),
            ("Received", &self.get("arrival-date")),
        ]))
    }
}

/// `name: value` of what there is, one a line; a value without a name stands alone. The first
/// one is there in any case.
fn lines(values: &[(&str, &str)]) -> String {
    let lines =
        values
            .iter()
            .enumerate()
            .filter_map(|(i, (name, value))| match (*name, value.trim()) {
                (name, "") => (i == 0).then(|| name.to_owned()),
                ("", value) => Some(value.to_owned()),
                (name, value) => Some(format!("{name}: {value}")),
            });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(report: Report, text: &str) -> String {
        report.text(text, 1000, &|| ())
    }

    #[test]
    fn deliveries_one_by_one() {
        let text = "Reporting-MTA: dns; mx.example.org\nArrival-Date: Mon, 5 Jan 2026 10:00:00 +0000\n\nFinal-Recipient: RFC822; <bob@example.org>\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1\n  user unknown\n\nOriginal-Recipient: rfc822;ann@example.org\nStatus: 4.2.2 (full)\n";
        assert_eq!(
            read(Report::Delivery, text),
            "Delivery failed: bob@example.org (5.1.1)\n550 5.1.1 user unknown\n\nDelivery delayed: ann@example.org (4.2.2 (full))"
        );
        let one = "Reporting-MTA: dns; x\nAction: Delayed\nDiagnostic-Code: =?utf-8?q?gr=C3=BC=C3=9Fe?=\n";
        assert_eq!(read(Report::Delivery, one), "Delivery delayed\ngrüße");
        assert_eq!(read(Report::Delivery, "Reporting-MTA: dns; x\n"), "");
    }

    #[test]
    fn receipts() {
        let text = "Reporting-UA: x\nFinal-Recipient: rfc822;ann@example.org\nDisposition: manual-action/MDN-sent-manually; displayed\n";
        assert_eq!(
            read(Report::Receipt, text),
            "Message displayed: ann@example.org"
        );
        assert_eq!(
            read(Report::Receipt, "Disposition: x; failed\nError: full"),
            "Message failed\nfull"
        );
    }

    #[test]
    fn complaints() {
        let text = "Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\nOriginal-Mail-From: <spam@example.net>\nSource-IP: 192.0.2.1\nReported-Domain: example.net\n";
        assert_eq!(
            read(Report::Complaint, text),
            "Complaint: abuse\nSender: spam@example.net\nSource: 192.0.2.1\nDomain: example.net"
        );
    }

    #[test]
    fn long_values_are_cut_and_the_end_is_polled() {
        let polls = std::cell::Cell::new(0);
        let text = format!(
            "Action: failed\nDiagnostic-Code: {}\n{}",
            "x".repeat(9000),
            " y\n".repeat(9000)
        );
        let read = Report::Delivery.text(&text, 1 << 20, &|| polls.set(polls.get() + 1));
        assert!(read.len() < 2 * MAX_VALUE_BYTES && polls.get() > 9000);
        let many = "Status: 5.0.0\n\n".repeat(9000);
        assert!(Report::Delivery.text(&many, 1000, &|| ()).len() < 1100);
    }
}
