//! What a person asks for, and where.

/// What a reviewer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// Gives the email this label; none takes an earlier decision back.
    Label(Option<&'a str>),
    /// Says that the prediction is right.
    Accept,
    /// Says that it cannot be said; about an email that was put to people again, that what was
    /// said stays.
    Skip,
    /// Puts it to people again. What was said holds until somebody decides anew.
    AskAgain,
    /// Says nothing: only the note changes.
    NoteOnly,
}

/// An action with what comes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is done.
    pub action: Action<'a>,
    /// The note is to be this; `None` leaves it.
    pub note: Option<Option<&'a str>>,
    /// The version that the person saw, if their tool says so.
    pub row_version: Option<i32>,
    /// Where it came in.
    pub door: Door,
    /// Who says so by a call that does nothing else: the label that an import or another person
    /// has given is confirmed by giving it again. `None` where the same label may just be sent
    /// back, as forms do with all that they have read.
    pub confirmed_by: Option<&'a str>,
}

/// The ways to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// UPDATE of an attached table's label column.
    Table,
    /// INSERT of a row with a label into a table whose given labels are decisions.
    Insert,
    /// UPDATE of `triage.review`.
    Review,
    /// UPDATE of a queue view, or INSERT into one.
    View,
    /// A function, such as `triage.correct()`.
    Function,
    /// The description of a label.
    Description,
    /// Import of labelled history.
    Import,
}

impl Door {
    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Insert => "insert",
            Self::Review => "review",
            Self::View => "view",
            Self::Function => "function",
            Self::Description => "description",
            Self::Import => "import",
        }
    }

    /// Whether the statement writes the email's label column itself, which is then not ours to
    /// bring in line.
    pub fn is_label_column(self) -> bool {
        matches!(self, Self::Table | Self::Insert)
    }
}
