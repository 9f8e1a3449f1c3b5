//! Label identity: `Billing`, `billing` and ` BILLING ` are one label.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;

use crate::{Error, Result};

/// Longest label in bytes of UTF-8.
pub const MAX_LABEL_BYTES: usize = 2048;

/// Most labels in one classifier: a class number is stored in 16 bits.
pub const MAX_LABELS: usize = u16::MAX as usize;

/// The form of a label that decides whether two labels are the same: surrounding white
/// space removed, NFKC, full Unicode case folding.
///
/// # Errors
/// [`Error::LabelTooLong`] over [`MAX_LABEL_BYTES`].
pub fn fold_label(label: &str) -> Result<String> {
    let label = label.trim();
    if label.len() > MAX_LABEL_BYTES {
        return Err(Error::LabelTooLong {
            bytes: label.len(),
            limit: MAX_LABEL_BYTES,
        });
    }
    let normal = ComposingNormalizer::new_nfkc();
    let folded = CaseMapper::new()
        .fold_string(&normal.normalize(label))
        .into_owned();
    // Folding can undo the normal form ("ͅ" after a capital), so normalise once more.
    Ok(normal.normalize(&folded).into_owned())
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
        let base = fold_label("billing").unwrap();
        for same in ["Billing", " BILLING\t", "ｂｉｌｌｉｎｇ"] {
            assert_eq!(fold_label(same).unwrap(), base);
        }
        assert_eq!(
            fold_label("STRASSE").unwrap(),
            fold_label("straße").unwrap()
        );
        assert_ne!(fold_label("bill").unwrap(), base);
    }

    #[test]
    fn long_labels_are_refused() {
        assert!(fold_label(&"x".repeat(MAX_LABEL_BYTES)).is_ok());
        assert!(matches!(
            fold_label(&"x".repeat(MAX_LABEL_BYTES + 1)),
            Err(Error::LabelTooLong { .. })
        ));
    }
}
