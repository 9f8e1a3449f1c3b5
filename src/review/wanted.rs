//! Column `action` of reviews: what is decided without a label, for tools that roll a SELECT back.

use pg_triage_decision::Action;
use pgrx::PgSqlErrorCode as Code;

use crate::arguments::given_label;
use crate::error::{SqlResult, report};
use crate::pg::Row;
use crate::suggestion::unknown_action;

/// What a row asks for in its column `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Accept,
    Skip,
    Undo,
    AskAgain,
}

impl Wanted {
    const NAMES: [(&str, Self); 4] = [
        ("accept", Self::Accept),
        ("skip", Self::Skip),
        ("undo", Self::Undo),
        ("ask again", Self::AskAgain),
    ];

    /// The row's action, if it has one. A label beside it says something else.
    pub fn of(row: Row, has_label: bool) -> SqlResult<Option<Self>> {
        const LONGEST: usize = 1024;
        let given = row.text_up_to(row.column("action")?, LONGEST)?;
        let Some(given) = given_label(given.as_deref()) else {
            return Ok(None);
        };
        let name = given.to_lowercase().replace(['_', '-'], " ");
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        let Some((known, wanted)) = found else {
            let known = Self::NAMES.map(|(name, _)| name.to_owned());
            return Err(unknown_action(given, &known));
        };
        if has_label {
            return Err(report(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("action \"{known}\" and human_label are two decisions: set one of them"),
            ));
        }
        Ok(Some(*wanted))
    }

    /// What is decided without a label. To undo is not to decide anew.
    pub fn action(wanted: Option<Self>) -> Action<'static> {
        match wanted {
            Some(Self::Accept) => Action::Accept,
            Some(Self::Skip) => Action::Skip,
            Some(Self::AskAgain) => Action::AskAgain,
            Some(Self::Undo) | None => Action::NoteOnly,
        }
    }
}
