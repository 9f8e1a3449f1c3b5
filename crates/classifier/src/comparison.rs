//! Whether a new model (the challenger) may take the place of the one that answers (the
//! champion): both are asked about the same emails, which people have decided and neither has
//! learned from.

use std::collections::{BTreeMap, BTreeSet};

use crate::math::ln;

/// A challenger that answers fewer of the emails right is accepted where it is worse by no
/// more than this, with 95 % confidence.
pub const TOLERANCE: f64 = 0.01;

/// With fewer emails there is nothing to say.
const EMAILS: u64 = 5;

/// Of the emails that have a label, or that it is given to, no larger share may be told from the
/// others wrongly than this, beyond chance.
const LABEL_TOLERANCE: f64 = 0.1;
/// Labels with fewer of them are not looked at one by one.
const EMAILS_PER_LABEL: u64 = 10;

/// Two-sided 95 %.
const Z: f64 = 1.96;

/// Emails with more or fewer right answers after a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PairedAnswers {
    /// Emails that both were asked about.
    pub emails: u64,
    /// Answered right by the champion.
    pub champion: u64,
    /// Answered right by the challenger.
    pub challenger: u64,
    /// Answered right by the challenger alone.
    pub gained: u64,
    /// Answered right by the champion alone.
    pub lost: u64,
}

impl PairedAnswers {
    /// Counts one email.
    pub fn add(&mut self, champion: bool, challenger: bool) {
        self.emails += 1;
        self.champion += u64::from(champion);
        self.challenger += u64::from(challenger);
        self.gained += u64::from(challenger && !champion);
        self.lost += u64::from(champion && !challenger);
    }

    /// Difference of the accuracies, challenger minus champion, with the ends of its 95 %
    /// interval: Wald's, with half an email added to each of the four ways in which two answers
    /// can be right or wrong (Agresti and Min 2005).
    pub fn difference(&self) -> (f64, f64, f64) {
        self.difference_at(Z)
    }

    /// The same with an interval of so many standard errors.
    fn difference_at(&self, z: f64) -> (f64, f64, f64) {
        if self.emails == 0 {
            return (0.0, -1.0, 1.0);
        }
        let (gained, lost) = (self.gained as f64 + 0.5, self.lost as f64 + 0.5);
        let n = self.emails as f64 + 2.0;
        let middle = (gained - lost) / n;
        let error = (gained + lost - (gained - lost) * (gained - lost) / n)
            .max(0.0)
            .sqrt()
            / n;
        let difference = (self.gained as f64 - self.lost as f64) / self.emails as f64;
        (difference, middle - z * error, middle + z * error)
    }
}

/// Both models' answers about emails with known labels.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Answers about all emails, whatever their label.
    pub all: PairedAnswers,
    by_label: BTreeMap<String, PairedAnswers>,
}

/// Why a challenger is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// There are hardly any emails to ask about.
    TooFew(PairedAnswers),
    /// It answers fewer emails right, by more than what is tolerated or can be told.
    Worse(PairedAnswers),
    /// One label is told from the others worse.
    LabelWorse(String, PairedAnswers),
}

impl Comparison {
    /// Counts one email of this label, and what both answer. For each label that it has or is
    /// given, an answer is right if it gives it as the email has it: what a label loses to a new
    /// one that it was mistaken for before is set off against what it is not given any more.
    pub fn add(&mut self, label: &str, champion: Option<&str>, challenger: Option<&str>) {
        let is_right = |answer: Option<&str>, of: &str| (answer == Some(of)) == (label == of);
        self.all
            .add(is_right(champion, label), is_right(challenger, label));
        let labels = [Some(label), champion, challenger];
        for of in BTreeSet::from(labels).into_iter().flatten() {
            let paired = self.by_label.entry(of.to_owned()).or_default();
            paired.add(is_right(champion, of), is_right(challenger, of));
        }
    }

    /// Whether it is clearly better, and not to be refused.
    pub fn is_clearly_better(&self) -> bool {
        self.refusal().is_none() && self.all.difference().1 > 0.0
    }

    /// Why the challenger may not take the champion's place; `None` if it may.
    pub fn refusal(&self) -> Option<Refusal> {
        if self.all.emails < EMAILS {
            return Some(Refusal::TooFew(self.all));
        }
        let (difference, low, _) = self.all.difference();
        if difference < 0.0 && low < -TOLERANCE {
            return Some(Refusal::Worse(self.all));
        }
        let looked_at = |paired: &&PairedAnswers| paired.emails >= EMAILS_PER_LABEL;
        let labels = self.by_label.values().filter(looked_at).count().max(1);
        // One of many labels falls by chance more often than one of one: the tail of the normal
        // distribution is about exp(-z z / 2), so this makes it as many times smaller.
        let z = (Z * Z + 2.0 * ln(labels as f64)).sqrt();
        let fallen = |paired: &PairedAnswers| {
            let (difference, _, high) = paired.difference_at(z);
            looked_at(&paired) && difference < -LABEL_TOLERANCE && high < 0.0
        };
        let (label, paired) = self.by_label.iter().find(|(_, paired)| fallen(paired))?;
        Some(Refusal::LabelWorse(label.clone(), *paired))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(of: &[(&str, u64, u64, u64, u64)]) -> Comparison {
        let mut all = Comparison::default();
        for &(label, both, gained, lost, neither) in of {
            for (n, champion, challenger) in [
                (both, true, true),
                (gained, false, true),
                (lost, true, false),
                (neither, false, false),
            ] {
                let answer = |is_right: bool| is_right.then_some(label);
                (0..n).for_each(|_| all.add(label, answer(champion), answer(challenger)));
            }
        }
        all
    }

    #[test]
    fn interval_by_hand() {
        let mut paired = PairedAnswers::default();
        for i in 0..99 {
            paired.add(i < 60, !(50..80).contains(&i));
        }
        assert_eq!((paired.gained, paired.lost), (19, 10));
        let (difference, low, high) = paired.difference();
        assert!((difference - 9.0 / 99.0).abs() < 1e-12);
        // (19.5 - 10.5) / 101, sqrt(30 - 81 / 101) / 101
        let (middle, error) = (0.089_108_9, 0.053_500_2);
        assert!((low - (middle - 1.96 * error)).abs() < 1e-6, "{low}");
        assert!((high - (middle + 1.96 * error)).abs() < 1e-6, "{high}");
    }

    #[test]
    fn fewer_right_answers_are_refused_unless_it_is_next_to_nothing() {
        assert_eq!(comparison(&[("a", 18, 1, 1, 0)]).refusal(), None);
        assert!(matches!(
            comparison(&[("a", 18, 0, 1, 1)]).refusal(),
            Some(Refusal::Worse(_))
        ));
        assert_eq!(comparison(&[("a", 1990, 4, 6, 0)]).refusal(), None);
        assert!(comparison(&[("a", 1900, 20, 60, 20)]).refusal().is_some());
        assert!(matches!(
            Comparison::default().refusal(),
            Some(Refusal::TooFew(_))
        ));
    }

    #[test]
    fn one_label_may_not_pay_for_the_others() {
        let refused = comparison(&[("a", 400, 60, 0, 40), ("b", 20, 0, 20, 0)]).refusal();
        assert!(matches!(&refused, Some(Refusal::LabelWorse(l, p)) if l == "b" && p.lost == 20));
        // What it loses is given to others, which is their loss, too.
        let mut given_away = comparison(&[("a", 400, 60, 0, 0)]);
        (0..20).for_each(|_| given_away.add("b", Some("b"), Some("a")));
        assert!(matches!(given_away.refusal(), Some(Refusal::LabelWorse(l, _)) if l == "b"));
        // Chance.
        let few = comparison(&[("a", 400, 60, 0, 40), ("b", 8, 0, 2, 0)]);
        assert_eq!(few.refusal(), None);
    }

    /// The champion gave all mails of the new label to "a"; the challenger gives it some of "a".
    #[test]
    fn a_label_that_a_new_one_was_mistaken_for_may_lose_some_to_it() {
        let mut drifted = comparison(&[("b", 60, 0, 0, 20)]);
        (0..40).for_each(|_| drifted.add("new", Some("a"), Some("new")));
        (0..32).for_each(|_| drifted.add("a", Some("a"), Some("a")));
        (0..8).for_each(|_| drifted.add("a", Some("a"), Some("new")));
        assert_eq!(drifted.refusal(), None);
        assert!(drifted.is_clearly_better());
        // Without mails of the new label it is a loss.
        let mut worse = comparison(&[("b", 60, 20, 0, 0)]);
        (0..32).for_each(|_| worse.add("a", Some("a"), Some("a")));
        (0..12).for_each(|_| worse.add("a", Some("a"), Some("new")));
        assert!(
            matches!(worse.refusal(), Some(Refusal::LabelWorse(..))),
            "{worse:?}"
        );
        assert!(!worse.is_clearly_better());
    }

    /// Six of thirty are more than chance for one label of two, and chance for one of fifty.
    #[test]
    fn one_of_many_labels_falls_by_chance() {
        let names: Vec<String> = (0..50).map(|n| format!("label {n}")).collect();
        let mut all: Vec<_> = names.iter().map(|n| (n.as_str(), 24, 4, 2, 0)).collect();
        all[0] = (names[0].as_str(), 24, 0, 6, 0);
        assert_eq!(comparison(&all).refusal(), None);
        let of_two = comparison(&[all[0], ("other", 24, 40, 0, 0)]);
        assert!(matches!(of_two.refusal(), Some(Refusal::LabelWorse(..))));
    }
}
