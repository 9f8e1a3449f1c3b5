//! Rows with types: what is asked for and what is read come from one declaration.

use crate::error::SqlResult;
use crate::pg::ResultRow;

/// What a row of a result becomes.
pub trait FromRow: Sized {
    /// The columns to ask for, in SQL.
    const COLUMNS: &'static str;

    /// Reads them.
    fn from_row(row: &ResultRow) -> SqlResult<Self>;
}

/// Declares a struct together with the columns that its fields are read from: of the same name,
/// or the expression given after `=`.
///
/// ```ignore
/// row! {
///     /// An attached table.
///     pub struct Source {
///         pub name: String = "source",
///         pub classifier: String,
///     }
/// }
/// ```
macro_rules! row {
    (
        $(#[$attribute:meta])*
        $visible:vis struct $name:ident {
            $(#[$first_attribute:meta])*
            $first_visible:vis $first:ident: $first_type:ty $(= $first_sql:expr)?
            $(, $(#[$field_attribute:meta])*
              $field_visible:vis $field:ident: $type:ty $(= $sql:expr)?)*
            $(,)?
        }
    ) => {
        $(#[$attribute])*
        $visible struct $name {
            $(#[$first_attribute])*
            $first_visible $first: $first_type,
            $($(#[$field_attribute])* $field_visible $field: $type,)*
        }

        impl $crate::store::row::FromRow for $name {
            const COLUMNS: &'static str = concat!(
                $crate::store::row::column!($first $($first_sql)?)
                $(, ", ", $crate::store::row::column!($field $($sql)?))*
            );

            #[allow(unused_assignments)]
            fn from_row(row: &$crate::pg::ResultRow) -> $crate::error::SqlResult<Self> {
                // A struct's fields are evaluated in the order in which they are written.
                let mut column = 0;
                let mut next = || {
                    column += 1;
                    column - 1
                };
                Ok(Self {
                    $first: row.get(next())?,
                    $($field: row.get(next())?,)*
                })
            }
        }
    };
}

/// What a field of [`row`] is read from.
macro_rules! column {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $sql:expr) => {
        $sql
    };
}

pub(crate) use {column, row};
