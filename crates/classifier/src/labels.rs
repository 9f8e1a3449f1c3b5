//! Label identity: `Billing`, `billing` and ` BILLING ` are one label.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;

use crate::error::{Error, Result};

/// Longest label in bytes of UTF-8, as given and as casefolded.
pub const MAX_LABEL_BYTES: usize = 2048;

/// Most labels in one classifier: a class number is stored in 16 bits.
pub const MAX_LABELS: usize = u16::MAX as usize;

/// A label with emails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its identity: see [`casefold_label`].
    pub casefolded: String,
    /// The spelling shown to people.
    pub name: String,
}

/// The form of a label that decides whether two labels are the same: surrounding white
/// space removed, NFKC, full Unicode case folding.
///
/// # Errors
/// [`Error::LabelTooLong`] over [`MAX_LABEL_BYTES`].
pub fn casefold_label(label: &str) -> Result<String> {
    let label = trimmed(label)?;
    let normal = ComposingNormalizer::new_nfkc();
    let casefolded = CaseMapper::new()
        .fold_string(&normal.normalize(label))
        .into_owned();
    // Casefolding can undo the normal form ("ͅ" after a capital), so normalise once more.
    let casefolded = normal.normalize(&casefolded).into_owned();
    // NFKC writes some characters as eighteen others: the casefolded form has to be short too.
    check_length(&casefolded)?;
    Ok(casefolded)
}

/// The label without surrounding white space.
///
/// # Errors
/// [`Error::LabelTooLong`] over [`MAX_LABEL_BYTES`], or if there is as much white space.
pub(crate) fn trimmed(label: &str) -> Result<&str> {
    // First: trimming takes time in proportion to the text.
    if label.len() > 2 * MAX_LABEL_BYTES {
        return Err(too_long(label));
    }
    let label = label.trim();
    check_length(label)?;
    Ok(label)
}

fn check_length(label: &str) -> Result<()> {
    if label.len() > MAX_LABEL_BYTES {
        return Err(too_long(label));
    }
    Ok(())
}

fn too_long(label: &str) -> Error {
    Error::LabelTooLong {
        bytes: label.len(),
        limit: MAX_LABEL_BYTES,
    }
}

/// Whether a stored label is one that could have been learned.
pub(crate) fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= MAX_LABEL_BYTES
        && label.trim() == label
        && !label.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_width_and_space_do_not_make_a_new_label() {
        let base = casefold_label("billing").unwrap();
        for same in ["Billing", " BILLING\t", "ｂｉｌｌｉｎｇ"] {
            assert_eq!(casefold_label(same).unwrap(), base);
        }
        assert_eq!(
            casefold_label("STRASSE").unwrap(),
            casefold_label("straße").unwrap()
        );
        assert_ne!(casefold_label("bill").unwrap(), base);
    }

    #[test]
    fn long_labels_are_refused() {
        assert!(casefold_label(&"x".repeat(MAX_LABEL_BYTES)).is_ok());
        assert!(matches!(
            casefold_label(&"x".repeat(MAX_LABEL_BYTES + 1)),
            Err(Error::LabelTooLong { .. })
        ));
        // 3 bytes that casefold to 33.
        assert!(matches!(
            casefold_label(&"\u{fdfa}".repeat(MAX_LABEL_BYTES / 3)),
            Err(Error::LabelTooLong { .. })
        ));
    }
}
