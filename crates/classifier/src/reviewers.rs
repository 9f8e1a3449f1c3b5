//! Whose decisions are contradicted more often than those of others about emails of the same kind.
//!
//! Emails are not dealt out at random: the best reviewer may get what is hard or new, and what is
//! new is contradicted by what is old. So a decision counts as contradicted only if the decisions of
//! the same time by themselves contradict it, too, and each reviewer is compared within strata
//! alone: with others who decided about emails with the same prediction, as sure, of the same days;
//! and once more among those who decided the same label. In a stratum the number of contradicted
//! decisions that fall to a reviewer is hypergeometric if everybody decides alike; the sum over all
//! strata is judged by its exact distribution (Cochran 1954, Mantel and Haenszel 1959, exact: Birch
//! 1964). Of the two p-values the larger counts (intersection-union, Berger 1982), times the number
//! of comparisons that are made (Bonferroni).

use std::collections::BTreeMap;

use crate::error::Result;
use crate::features::Features;
use crate::label_errors::LabelErrorFinder;
use crate::math::{exp, ln, log_sum_exp};
use crate::poll::Poll;

/// A reviewer is looked at from so many decisions on that can be compared.
const COMPARED: u64 = 30;

/// Chance that anybody is named although all decide alike, per version.
const CHANCE: f64 = 1e-4;

/// Less than so much more than others is not worth a word, however sure it is.
const LEAST_EXCESS: f64 = 0.02;

/// Log-odds from which on a decision is contradicted: two to one, and ten to one. The wrong
/// decisions of who guesses often support each other, and are contradicted a little only; who
/// guesses now and then is found among what is contradicted clearly, because little else is.
const CONTRADICTED: [f64; 2] = [0.7, 2.3];

/// Decisions that a stratum has at least before the next day begins another one.
const STRATUM: usize = 20;

/// Upper ends of the bands of confidence.
const BANDS: [f64; 5] = [0.5, 0.7, 0.85, 0.95, 0.99];

/// A decision whose reviewer is compared with others.
#[derive(Debug, Clone)]
pub struct ComparedDecision<'a> {
    /// The name that they decided under, and the role that they connected as.
    pub by: [&'a str; 2],
    /// What had been predicted, if anything.
    pub predicted: Option<&'a str>,
    /// How sure that was.
    pub confidence: Option<f64>,
    /// What was decided.
    pub decided: &'a str,
    /// The day that the email came, counted from any day on.
    pub day: i64,
    /// What [`margin_against`] says.
    pub margin: f64,
}

/// A reviewer whose decisions are contradicted more often than those of others.
#[derive(Debug, Clone, PartialEq)]
pub struct StandsOut {
    /// The name or role.
    pub by: String,
    /// Log-odds from which on a decision counts as contradicted here.
    pub margin: f64,
    /// Decisions that can be compared: somebody else has decided about emails of the same kind.
    pub decisions: u64,
    /// Those of them that are contradicted.
    pub contradicted: u64,
    /// How many would be if everybody decided alike.
    pub expected: f64,
    /// Decisions of the others about emails of these kinds.
    pub others: u64,
    /// Those of them that are contradicted.
    pub others_contradicted: u64,
    /// At most the chance that anybody has so many, if everybody decided alike.
    pub chance: f64,
}

/// Log-odds against a decision, as far as all other decisions and those of the same time by
/// themselves agree about them; zero if either supports it or cannot tell.
///
/// # Errors
/// [`Error::LabelTooLong`](crate::Error::LabelTooLong),
/// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
pub fn margin_against(
    finders: [&LabelErrorFinder; 2],
    features: &Features,
    label: &str,
) -> Result<f64> {
    let mut least = f64::INFINITY;
    for finder in finders {
        let found = finder.check(features, label)?;
        least = least.min(found.map_or(0.0, |found| found.margin));
    }
    Ok(least)
}

/// Decisions of one kind, and how many of them a reviewer has made.
#[derive(Debug, Clone, Copy)]
struct Stratum {
    all: u64,
    contradicted: u64,
    own: u64,
    own_contradicted: u64,
}

/// The reviewer who stands out most, if anybody does.
pub fn stands_out(decisions: &[ComparedDecision], poll: Poll) -> Option<StandsOut> {
    let mut comparisons = 0_u32;
    let mut most: Option<StandsOut> = None;
    for margin in CONTRADICTED {
        let predicted = strata_by(decisions, margin, |d| (d.predicted, band(d)), poll);
        let decided = strata_by(decisions, margin, |d| (Some(d.decided), band(d)), poll);
        for (by, strata) in &predicted {
            let (Some(found), Some(again)) = (
                Comparable::of(strata, poll),
                decided
                    .get(by)
                    .and_then(|strata| Comparable::of(strata, poll)),
            ) else {
                continue;
            };
            comparisons += 1;
            let chance = found.chance.max(again.chance);
            if found.is_more()
                && again.is_more()
                && most.as_ref().is_none_or(|most| chance < most.chance)
            {
                most = Some(found.named(by, margin, chance));
            }
        }
    }
    let mut most = most?;
    most.chance = (most.chance * f64::from(comparisons)).min(1.0);
    (most.chance <= CHANCE).then_some(most)
}

/// A reviewer and all others, where they can be compared.
struct Comparable {
    decisions: u64,
    contradicted: u64,
    expected: f64,
    others: u64,
    others_contradicted: u64,
    chance: f64,
}

impl Comparable {
    /// All strata together; `None` if that is too little.
    fn of(strata: &[Stratum], poll: Poll) -> Option<Self> {
        let sum = |of: fn(&Stratum) -> u64| strata.iter().map(of).sum::<u64>();
        let expected = |s: &Stratum| s.own as f64 * s.contradicted as f64 / s.all as f64;
        let decisions = sum(|s| s.own);
        (decisions >= COMPARED).then(|| Self {
            decisions,
            contradicted: sum(|s| s.own_contradicted),
            expected: strata.iter().map(expected).sum(),
            others: sum(|s| s.all - s.own),
            others_contradicted: sum(|s| s.contradicted - s.own_contradicted),
            chance: chance(strata, poll),
        })
    }

    fn is_more(&self) -> bool {
        self.contradicted as f64 - self.expected >= LEAST_EXCESS * self.decisions as f64
    }

    fn named(&self, by: &str, margin: f64, chance: f64) -> StandsOut {
        StandsOut {
            by: by.to_owned(),
            margin,
            decisions: self.decisions,
            contradicted: self.contradicted,
            expected: self.expected,
            others: self.others,
            others_contradicted: self.others_contradicted,
            chance,
        }
    }
}

/// The band of a decision's confidence.
fn band(decision: &ComparedDecision) -> usize {
    match decision.confidence {
        None => BANDS.len() + 1,
        Some(confidence) => BANDS.iter().filter(|end| confidence >= **end).count(),
    }
}

/// The strata in which each reviewer has decided, beside somebody else: decisions with the same
/// key, from days that follow each other.
fn strata_by<'a, K: Ord>(
    decisions: &'a [ComparedDecision<'a>],
    margin: f64,
    key: impl Fn(&'a ComparedDecision<'a>) -> K,
    poll: Poll,
) -> BTreeMap<&'a str, Vec<Stratum>> {
    let mut alike: BTreeMap<K, Vec<&ComparedDecision>> = BTreeMap::new();
    for decision in decisions {
        alike.entry(key(decision)).or_default().push(decision);
    }
    let mut of: BTreeMap<&str, Vec<Stratum>> = BTreeMap::new();
    for mut alike in alike.into_values() {
        alike.sort_by_key(|decision| decision.day);
        let mut rest = alike.as_slice();
        while !rest.is_empty() {
            let (stratum, later) = rest.split_at(end_of_stratum(rest));
            rest = later;
            poll();
            compare(stratum, margin, &mut of);
        }
    }
    of
}

/// Whole days, until there are enough, and all if too few would be left.
fn end_of_stratum(decisions: &[&ComparedDecision]) -> usize {
    let day_ends = |at: usize| decisions[at - 1].day != decisions[at].day;
    let last = decisions.len().saturating_sub(STRATUM);
    (STRATUM..=last)
        .find(|at| day_ends(*at))
        .unwrap_or(decisions.len())
}

/// Adds a stratum to those of everybody who is in it beside others.
fn compare<'a>(
    stratum: &[&ComparedDecision<'a>],
    margin: f64,
    of: &mut BTreeMap<&'a str, Vec<Stratum>>,
) {
    let is_contradicted = |decision: &ComparedDecision| decision.margin >= margin;
    let mut own: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for decision in stratum {
        let [name, role] = decision.by;
        for by in [Some(name), (role != name).then_some(role)]
            .into_iter()
            .flatten()
        {
            let (decisions, contradicted) = own.entry(by).or_default();
            *decisions += 1;
            *contradicted += u64::from(is_contradicted(decision));
        }
    }
    let all = stratum.len() as u64;
    let contradicted = stratum.iter().filter(|d| is_contradicted(d)).count() as u64;
    for (by, (own, own_contradicted)) in own {
        if own < all {
            of.entry(by).or_default().push(Stratum {
                all,
                contradicted,
                own,
                own_contradicted,
            });
        }
    }
}

/// Probability of so many contradicted decisions or more in all strata together, given how many
/// each stratum has.
fn chance(strata: &[Stratum], poll: Poll) -> f64 {
    // The distribution of the sum, from none on.
    let mut sum = vec![1.0];
    let mut found = 0;
    for stratum in strata {
        poll();
        let (least, shares) = hypergeometric(stratum);
        let mut next = vec![0.0; sum.len() + shares.len() - 1];
        for (n, p) in sum.iter().enumerate() {
            for (m, q) in shares.iter().enumerate() {
                next[n + m] += p * q;
            }
        }
        sum = next;
        // What has to be is left out of the sum.
        found += (stratum.own_contradicted - least) as usize;
    }
    sum.iter().skip(found).sum::<f64>().min(1.0)
}

/// The least number of contradicted decisions that a reviewer can have in a stratum, and the
/// probabilities of that number and each larger one.
fn hypergeometric(of: &Stratum) -> (u64, Vec<f64>) {
    let least = (of.own + of.contradicted).saturating_sub(of.all);
    let most = of.own.min(of.contradicted);
    // Logarithms: the first may be less than a float can hold.
    let mut last = 0.0;
    let mut logs = vec![last];
    for n in least..most {
        let up = (of.contradicted - n) as f64 * (of.own - n) as f64;
        let down = (n + 1) as f64 * (of.all + n + 1 - of.contradicted - of.own) as f64;
        last += ln(up / down);
        logs.push(last);
    }
    let all = log_sum_exp(logs.iter().copied());
    (least, logs.into_iter().map(|log| exp(log - all)).collect())
}
