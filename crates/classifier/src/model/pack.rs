//! From counts to a model's artifact.

use super::meta::ModelMeta;
use super::section;
use super::table::{CELL_BYTES, ROW_BYTES, directory, row_bytes};
use crate::artifact::{Kind, Writer};
use crate::counts::{Cell, document_frequency, weight_of};
use crate::error::{Error, Result};
use crate::evaluation::Metrics;
use crate::features::TOKENIZER_VERSION;
use crate::fit::Fit;
use crate::memory::reserve;
use crate::naive_bayes::NaiveBayes;
use crate::poll::Poll;
use crate::state::State;

impl State {
    /// Packs a model from these counts under a fit that is known: no choice of a form, no
    /// calibration. Returns its artifact; of an empty state that of the empty model.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::LabelsTooLong`].
    pub fn pack(&mut self, fit: &Fit, metrics: Metrics, poll: Poll) -> Result<Vec<u8>> {
        self.canonicalize(poll)?;
        let weighing = fit.weighing();
        let totals = NaiveBayes::weighed(self, weighing, poll).totals().clone();
        let (mut rows, mut cells) = (Vec::new(), Vec::new());
        let distinct = |group: &[Cell]| group.chunk_by(|a, b| a.key == b.key).count();
        let number: usize = self.counts().groups().map(distinct).sum();
        reserve(&mut rows, (number + 1) * ROW_BYTES)?;
        reserve(&mut cells, self.counts().len() * CELL_BYTES)?;
        let mut packed = 0u32;
        for group in self.counts().groups() {
            for row in group.chunk_by(|a, b| a.key == b.key) {
                let terms = weighing.row(document_frequency(row), weight_of(row));
                rows.extend_from_slice(&row_bytes(row[0].key, packed, terms.gain as f32));
                for cell in row {
                    let score = terms.score(cell.documents, cell.weight, cell.residual);
                    cells.extend_from_slice(&(cell.class as u16).to_le_bytes());
                    cells.extend_from_slice(&(score as f32).to_le_bytes());
                }
                packed = packed
                    .checked_add(row.len() as u32)
                    .ok_or(Error::OutOfMemory { bytes: usize::MAX })?;
            }
            poll();
        }
        rows.extend_from_slice(&row_bytes(u64::MAX, packed, 0.0));
        let labels = self.labels();
        let meta = ModelMeta {
            tokenizer_version: TOKENIZER_VERSION,
            labels: labels.iter().map(|l| l.name().to_owned()).collect(),
            documents: totals.documents,
            skipped: self.skipped(),
            fit: *fit,
            metrics,
            features: totals.features,
            sums: totals.sums,
        };
        let mut out = Writer::new(Kind::Model);
        out.meta(section::META, &meta)?;
        out.section(section::DIRECTORY, directory(&rows, poll)?);
        out.section(section::ROWS, rows);
        out.section(section::CELLS, cells);
        out.section(section::STATE, self.to_bytes(poll)?);
        out.finish(poll)
    }
}
