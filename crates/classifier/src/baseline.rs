//! An independent yardstick: `linfa_bayes::BernoulliNb` on the same held-out messages.

use std::collections::BTreeMap;

use linfa::prelude::*;
use linfa_bayes::{BernoulliNb, NaiveBayes as _};
use ndarray::{Array1, Array2};

use crate::error::Result;
use crate::memory::{probe, reserve};
use crate::poll::Poll;
use crate::training_sample::Document;

/// Dense work is documents x features x classes; this bounds it to well under a second.
const MAX_WORK: usize = 100_000_000;
const MAX_FEATURES: usize = 1000;
/// Documents per call into linfa, between two polls.
const CHUNK: usize = 64;

/// Every fourth sampled document (their order is random) is held out for the comparison.
pub(crate) fn is_held_out(position: usize) -> bool {
    position % 4 == 3
}

/// Accuracy on the held-out documents of a Bernoulli naive Bayes (alpha 1) fitted on the
/// others, on the most frequent features. Documents of a class that the others lack count
/// as errors. Zero if there is nothing to fit or to judge.
pub(crate) fn accuracy(sample: &[&Document], classes: usize, poll: Poll) -> Result<f64> {
    let held_out = |wanted: bool| {
        let slice = sample.iter().enumerate();
        slice.filter_map(move |(i, d)| (is_held_out(i) == wanted).then_some(*d))
    };
    let (fit_on, judge): (Vec<_>, Vec<_>) = (held_out(false).collect(), held_out(true).collect());
    if fit_on.is_empty() || judge.is_empty() {
        return Ok(0.0);
    }
    let columns = frequent_features(&fit_on, MAX_WORK / (sample.len() * classes.max(1)), poll)?;
    if columns.is_empty() {
        return Ok(0.0);
    }
    // The matrix, and what linfa makes of it: a copy per class, and one to score.
    probe(8 * columns.len() * (4 * fit_on.len() + CHUNK * (classes + 2)))?;
    let targets: Array1<usize> = fit_on.iter().map(|d| d.class as usize).collect();
    let model = BernoulliNb::<f64, usize>::params()
        .fit(&Dataset::new(dense(&fit_on, &columns), targets))?;
    let mut right = 0;
    for chunk in judge.chunks(CHUNK) {
        poll();
        // Not linfa's `predict`: it breaks ties by the order of a hash map.
        let likelihoods = model.joint_log_likelihood(dense(chunk, &columns).view());
        let by_class: BTreeMap<_, _> = likelihoods.into_iter().collect();
        for (i, document) in chunk.iter().enumerate() {
            let mut best = (f64::NEG_INFINITY, usize::MAX);
            for (&&class, likelihood) in &by_class {
                // The C library's logarithms differ in the last bits between machines.
                if likelihood[i] > best.0 + 1e-9 * likelihood[i].abs() {
                    best = (likelihood[i], class);
                }
            }
            right += usize::from(best.1 == document.class as usize);
        }
    }
    Ok(right as f64 / judge.len() as f64)
}

/// Key -> column of the most frequent features, the smaller key of equals.
fn frequent_features(
    documents: &[&Document],
    limit: usize,
    poll: Poll,
) -> Result<BTreeMap<u64, usize>> {
    let mut unread: Vec<&[u64]> = documents.iter().map(|d| &*d.keys).collect();
    let (mut keys, mut frequent) = (Vec::new(), Vec::<(usize, u64)>::new());
    // By the keys' top byte: bounded work between two polls.
    for top in 0..=u64::from(u8::MAX) {
        keys.clear();
        for rest in &mut unread {
            let (own, later) = rest.split_at(rest.partition_point(|key| key >> 56 <= top));
            reserve(&mut keys, own.len())?;
            keys.extend_from_slice(own);
            *rest = later;
        }
        keys.sort_unstable();
        let counted = keys.chunk_by(|a, b| a == b).map(|run| (run.len(), run[0]));
        frequent.extend(counted);
        frequent.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        frequent.truncate(limit.clamp(1, MAX_FEATURES));
        poll();
    }
    Ok((0..)
        .zip(frequent)
        .map(|(column, (_, key))| (key, column))
        .collect())
}

fn dense(documents: &[&Document], columns: &BTreeMap<u64, usize>) -> Array2<f64> {
    let mut x = Array2::zeros((documents.len(), columns.len()));
    for (row, document) in documents.iter().enumerate() {
        for column in document.keys.iter().filter_map(|k| columns.get(k)) {
            x[(row, *column)] = 1.0;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::never_cancelled;

    fn document(class: u32, keys: &[u64]) -> Document {
        Document {
            class,
            keys: keys.into(),
            copies: 1,
        }
    }

    fn judge(sample: &[Document]) -> f64 {
        let sample: Vec<_> = sample.iter().collect();
        accuracy(&sample, 2, &never_cancelled).unwrap()
    }

    #[test]
    fn separable_documents_are_told_apart_and_equal_ones_are_not() {
        let apart: Vec<_> = (0..40)
            .map(|i| document(i % 2, &[u64::from(i % 2) << 60, 1 << 62]))
            .collect();
        // Every held-out position is odd: all of class 1.
        assert_eq!(judge(&apart), 1.0);
        let equal: Vec<_> = (0..40).map(|i| document(i % 2, &[7])).collect();
        // More of the documents that it is fitted on are of class 0.
        assert_eq!(judge(&equal), 0.0);
        assert_eq!(judge(&apart[..3]), 0.0, "nothing is held out");
    }

    #[test]
    fn the_most_frequent_features_are_taken() {
        let documents = [
            document(0, &[1, 5, 1 << 60]),
            document(0, &[2, 1 << 60]),
            document(0, &[2, 5, u64::MAX]),
        ];
        let all: Vec<_> = documents.iter().collect();
        let columns = |limit| frequent_features(&all, limit, &never_cancelled).unwrap();
        // Twice each; of equals the smaller key.
        assert_eq!(columns(2), BTreeMap::from([(2, 0), (5, 1)]));
        assert_eq!(columns(3).into_keys().collect::<Vec<_>>(), [2, 5, 1 << 60]);
        assert_eq!(columns(10).len(), 5);
    }
}
