//! Where a link leads to.

use crate::transfer;

/// Longest host name (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 255;

/// A link to a host.
pub(super) struct Link {
    /// `https://host`.
    pub address: String,
    /// In small letters.
    pub host: String,
    /// Where its text begins.
    pub from: usize,
}

impl Link {
    /// `None` if it leads to no host.
    pub(super) fn to(href: &[u8], from: usize) -> Option<Self> {
        let href: Vec<u8> = href
            .iter()
            .filter(|b| !matches!(b, b'\t' | b'\n' | b'\r'))
            .copied()
            .collect();
        let href = String::from_utf8_lossy(&href);
        let href = href.trim();
        let (scheme, rest) = match href.split_once(':') {
            Some(parts) if !href.starts_with(['/', '\\']) => parts,
            _ => ("http", href),
        };
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https" | "ftp") {
            return None;
        }
        let rest = rest.strip_prefix(['/', '\\'])?.strip_prefix(['/', '\\'])?;
        let authority = rest.split(['/', '\\', '?', '#']).next()?;
        // What stands before an @ only looks like a host.
        let host = authority.rsplit('@').next()?;
        let mut plain = Vec::new();
        transfer::unescape(host.split(':').next()?.as_bytes(), b'%', &mut plain, &|| ());
        let host = String::from_utf8(plain)
            .ok()?
            .trim_end_matches('.')
            .to_lowercase();
        let possible = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || host.len() > MAX_HOST_BYTES || !host.chars().all(possible) {
            return None;
        }
        Some(Self {
            address: format!("{scheme}://{host}"),
            host,
            from,
        })
    }
}
