//! Texts that come later, or change, and updates after which a table refuses the label: an undecided
//! row is predicted anew in the same statement, a decided one is marked if its text is another.

use std::cell::RefCell;
use std::collections::HashMap;

use pgrx::pg_extern;

use super::allowed::{is_refused_now, with_label};
use super::label::labelled;
use super::memory::{Remembered, is_cleared, predicted_label};
use super::table::{Columns, name_of};
use crate::arguments::given_label;
use crate::error::SqlResult;
use crate::pg::{self, Row, Trigger};
use crate::review::prediction::{recorded, unclassified};
use crate::store::review::EmailName;
use crate::store::source::Source;
use crate::store::{self, Writer};

/// What becomes of a row's review because its text is another one, or its label is refused now.
#[derive(Clone)]
pub enum NewText {
    /// This takes the place of what had been predicted.
    Undecided(Remembered),
    /// A person has decided, which stands.
    Decided,
    /// A statement within the running one has written it.
    Recorded,
}

impl NewText {
    /// Whether it is why a row has this label now.
    pub fn gives(&self, label: Option<&str>) -> bool {
        match self {
            Self::Undecided(Remembered::Predicted(prediction)) => {
                prediction.label.as_deref() == label
            }
            Self::Undecided(_) => label.is_none(),
            Self::Decided | Self::Recorded => false,
        }
    }

    /// Writes it down.
    pub fn record(self, w: &mut Writer, name: EmailName) -> SqlResult<()> {
        match self {
            Self::Undecided(Remembered::Predicted(prediction)) => {
                w.replace_prediction(name, &recorded(&prediction))
            }
            Self::Undecided(Remembered::Unclassified(reason)) => {
                w.replace_prediction(name, &unclassified(reason.as_deref()))
            }
            Self::Decided => w.mark_text_changed(name),
            Self::Undecided(_) | Self::Recorded => Ok(()),
        }
    }
}

struct Note {
    /// How many triggers deep its statement is.
    depth: i32,
    /// When the transaction and the statement of the client began.
    time: (i64, i64),
    what: NewText,
}

thread_local! {
    /// By attachment and new key.
    static TEXTS: RefCell<HashMap<(i64, String), Note>> = RefCell::default();
}

/// Beyond this, a review is written before its row, so that an update of millions does not fill
/// the session's memory.
const MOST_REMEMBERED: usize = 100_000;

fn now() -> (i64, i64) {
    (pg::transaction_time(), pg::statement_time())
}

/// A statement on an attached table begins: what earlier ones left is of no use.
pub fn forget_texts(source: i64) {
    let depth = pg::trigger_depth();
    TEXTS.with_borrow_mut(|texts| {
        texts.retain(|(of, _), note| {
            let is_recorded = matches!(note.what, NewText::Recorded);
            note.time == now() && (*of != source || note.depth < depth || depth > 1 && is_recorded)
        });
        if texts.is_empty() && texts.capacity() > 1000 {
            texts.shrink_to_fit();
        }
    });
}

/// Whether the trigger after the row has something to do, as far as the condition of that trigger
/// can know: some row of the statement has another text.
#[pg_extern(sql = false)]
fn text_has_changed() -> bool {
    TEXTS.with_borrow(|texts| !texts.is_empty())
}

fn remember(source: &Source, key: &str, what: NewText) -> SqlResult<()> {
    let rest = TEXTS.with_borrow_mut(|texts| {
        if texts.len() >= MOST_REMEMBERED || texts.try_reserve(1).is_err() {
            return Some(what);
        }
        let note = Note {
            depth: pg::trigger_depth(),
            time: now(),
            what,
        };
        texts.insert((source.id, key.to_owned()), note);
        None
    });
    match rest {
        Some(what) => store::as_owner(|w| what.record(w, name_of(source, key))),
        None => Ok(()),
    }
}

/// What is to be written down about a row of this statement, once.
pub fn recall_text(source: i64, key: &str) -> Option<NewText> {
    let depth = pg::trigger_depth();
    TEXTS.with_borrow_mut(|texts| {
        let name = (source, key.to_owned());
        let note = texts.get_mut(&name)?;
        if note.time != now() || note.depth != depth {
            return None;
        }
        if depth == 1 {
            return texts.remove(&name).map(|note| note.what);
        }
        Some(std::mem::replace(&mut note.what, NewText::Recorded))
    })
}

/// Whether a statement within this one, of a trigger after the row, has written the review.
pub fn is_recorded(source: i64, key: &str) -> bool {
    TEXTS.with_borrow(|texts| {
        let note = texts.get(&(source, key.to_owned()));
        note.is_some_and(|note| {
            note.time == now()
                && note.depth > pg::trigger_depth()
                && matches!(note.what, NewText::Recorded)
        })
    })
}

/// The row with the label that its new text asks for, or that the table lets in now, where nobody
/// has decided about it. Costs next to nothing where the text is the same and no constraint, index or
/// generated column depends on the label and others.
pub fn predicted_anew(
    trigger: &Trigger,
    source: &Source,
    columns: &Columns,
    old: Row,
    new: Row,
) -> SqlResult<Row> {
    let is_new_text = !columns.has_same_text(old, trigger.completed(new, columns.texts())?)?;
    if !is_new_text && !is_in_the_way(trigger, source, columns, old, new)? {
        return Ok(new);
    }
    let (Some(old_key), Some(key)) = (columns.key_of(old)?, columns.key_of(new)?) else {
        return Ok(new);
    };
    let (before, label) = (columns.label_of(old)?, columns.label_of(new)?);
    let taken_back = is_cleared(source.id, &old_key);
    if before != label && given_label(label.as_deref()).is_some() && !taken_back {
        // The statement's own decision, about the new text.
        return Ok(new);
    }
    let review = store::as_owner(|w| w.review_of(name_of(source, &old_key)))?;
    if review.as_ref().is_some_and(|r| r.human_label.is_some()) && !taken_back {
        if is_new_text {
            remember(source, &key, NewText::Decided)?;
        }
        return Ok(new);
    }
    // A label that nobody predicted came with the row.
    let predicted = match review {
        Some(review) => review.predicted_label,
        None => predicted_label(source.id, &old_key),
    };
    if given_label(label.as_deref()).is_some() && label != predicted {
        return Ok(new);
    }
    let (mut row, what) = labelled(trigger, source, columns, new)?;
    if matches!(what, Remembered::Unclassified(_)) && label.is_some() {
        if !columns.can_be_empty(trigger) {
            return Ok(new);
        }
        row = columns.put(row, None)?;
    }
    remember(source, &key, NewText::Undecided(what))?;
    Ok(row)
}

/// Whether the label of a row that keeps its text would make the update fail: what was predicted
/// gives way to what a user does.
fn is_in_the_way(
    trigger: &Trigger,
    source: &Source,
    columns: &Columns,
    old: Row,
    new: Row,
) -> SqlResult<bool> {
    if old.stores_same(&new, columns.label()) {
        return is_refused_now(trigger, source, columns, old, new);
    }
    // Another label is what somebody says, unless a decision is taken back: what had been predicted
    // comes again.
    let Some(key) = columns.key_of(old)? else {
        return Ok(false);
    };
    match columns.label_of(new)? {
        Some(label) if is_cleared(source.id, &key) => {
            Ok(with_label(trigger, source, columns, new, &label)?.is_err())
        }
        _ => Ok(false),
    }
}
