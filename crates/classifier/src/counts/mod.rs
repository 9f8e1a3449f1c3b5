//! The table of both layers: for every (feature key, class) the number of documents that
//! hold the feature and the sum of those documents' unit-length weights (layer A), and the
//! sum of the steps that corrected mistakes (layer B). Integers only, so adding and
//! subtracting are exact and order does not matter.

mod cell;
mod row_index;
mod table;

pub(crate) use cell::{
    Cell, MAX_SUM, RESIDUAL_ONE, WEIGHT_ONE, document_frequency, unit_weight, weight_of, without,
};
pub(crate) use row_index::RowIndex;
pub(crate) use table::CountTable;
