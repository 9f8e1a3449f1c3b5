//! Texts in columns of any type that can hold some: one meaning for triggers, statements, views
//! and imports.

use pg_triage_classifier::tokenizer::MAX_TEXT_BYTES;
use pg_triage_mail::Message;
use pgrx::{pg_extern, pg_sys};
use serde_json::Value;

use super::json_text;
use crate::error::SqlResult;
use crate::pg::{self, Content};
use crate::settings;

/// Bytes of a text that are read: a little more than are classified, which shows that it goes on.
const MOST: usize = MAX_TEXT_BYTES + 4;

/// What can be read of a raw message.
pub fn message(raw: &[u8]) -> SqlResult<Message> {
    let limits = settings::message_limits();
    pg::probe_for_text(pg_triage_mail::memory(raw.len(), &limits))?;
    Ok(pg_triage_mail::parse(
        raw,
        &limits,
        &pg::check_for_interrupts,
    ))
}

/// Where a part of an email's text is.
#[derive(Debug, Clone)]
struct Part {
    /// Which of the text columns, from 0.
    column: usize,
    /// Where in its JSON document.
    path: Vec<String>,
}

/// How the text of an email is made of its text columns.
#[derive(Debug, Clone, Default)]
pub struct TextParts(Option<Vec<Part>>);

/// Reads a column, by its place among the text columns, as far as so many bytes.
pub type ReadColumn<'a> = &'a dyn Fn(usize, usize) -> SqlResult<Option<Content>>;

impl TextParts {
    /// As `triage_internal.source.text_paths` has it: a JSON array of parts, each of which is an
    /// array of the column and the steps of the path; NULL where each column is one part.
    pub fn of(stored: Option<&str>) -> Self {
        let parts: Option<Vec<Vec<Value>>> =
            stored.and_then(|stored| serde_json::from_str(stored).ok());
        let part = |part: Vec<Value>| {
            let (column, path) = part.split_first()?;
            let step = |step: &Value| step.as_str().map(str::to_owned);
            Some(Part {
                column: usize::try_from(column.as_u64()?).ok()?,
                path: path.iter().map(step).collect::<Option<_>>()?,
            })
        };
        Self(parts.and_then(|parts| parts.into_iter().map(part).collect()))
    }

    /// Whether two emails have the same text: other line ends are no change, nor is NULL for nothing.
    pub fn is_same(&self, columns: usize, one: ReadColumn, other: ReadColumn) -> SqlResult<bool> {
        let parts = |read: ReadColumn| {
            let mut parts = Vec::new();
            self.each(columns, read, |part| {
                parts.push(part.unwrap_or_default().replace("\r\n", "\n"));
                Ok(true)
            })?;
            SqlResult::Ok(parts)
        };
        Ok(parts(one)? == parts(other)?)
    }

    /// The parts of an email's text that has so many columns, by what `read` finds in a column.
    fn each(
        &self,
        columns: usize,
        read: ReadColumn,
        mut take: impl FnMut(Option<String>) -> SqlResult<bool>,
    ) -> SqlResult<()> {
        match &self.0 {
            None => {
                for column in 0..columns {
                    if !take(part(read(column, MOST)?, &[])?)? {
                        break;
                    }
                }
            }
            Some(parts) => {
                for Part { column, path } in parts {
                    if *column < columns && !take(part(read(*column, MOST)?, path)?)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The text: its parts one below the other, as far as they are read.
    pub fn text(&self, columns: usize, read: ReadColumn) -> SqlResult<String> {
        let mut text: Option<String> = None;
        self.each(columns, read, |part| {
            match (&mut text, part) {
                (_, None) => {}
                (None, part) => text = part,
                (Some(text), Some(part)) => {
                    text.push('\n');
                    text.push_str(&part);
                }
            }
            Ok(text
                .as_ref()
                .is_none_or(|text| text.len() <= MAX_TEXT_BYTES))
        })?;
        Ok(text.unwrap_or_default())
    }
}

/// What a column says at a path.
fn part(content: Option<Content>, path: &[String]) -> SqlResult<Option<String>> {
    Ok(match content {
        None => None,
        Some(Content::Text(text)) => Some(text),
        Some(Content::Json(document)) => {
            pg::probe_for_text(document.len())?;
            json_text::text_at(&document, path, MOST)
        }
        Some(Content::Message(raw)) => Some(message(&raw)?.text()),
    })
}

#[pg_extern(sql = false)]
fn readable_text(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Option<String>> {
    let path = pg::text_array_argument(fcinfo, 1);
    part(pg::content_argument(fcinfo, 0, MOST)?, &path)
}
