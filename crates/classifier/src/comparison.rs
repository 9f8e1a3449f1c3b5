//! Whether a new model (the challenger) may take the place of the one that answers (the
//! champion): both are asked about the same emails, which people have decided and neither has
//! learned from.

/// A challenger that answers fewer of the emails right is accepted where it is worse by no
/// more than this, with 95 % confidence.
pub const TOLERANCE: f64 = 0.01;

/// With fewer emails there is nothing to say.
const EMAILS: u64 = 5;

/// A label's recall may not fall by more than this, beyond chance.
const LABEL_TOLERANCE: f64 = 0.1;
/// Labels with fewer emails are not looked at one by one.
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
        (difference, middle - Z * error, middle + Z * error)
    }
}

/// Both models' answers about emails with known labels.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Answers about all emails, whatever their label.
    pub all: PairedAnswers,
    by_label: std::collections::BTreeMap<String, PairedAnswers>,
}

/// Why a challenger is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// There are hardly any emails to ask about.
    TooFew(PairedAnswers),
    /// It answers fewer emails right, by more than what is tolerated or can be told.
    Worse(PairedAnswers),
    /// One label's recall falls.
    LabelWorse(String, PairedAnswers),
}

impl Comparison {
    /// Counts one email of this label.
    pub fn add(&mut self, label: &str, champion: bool, challenger: bool) {
        self.all.add(champion, challenger);
        match self.by_label.get_mut(label) {
            Some(paired) => paired.add(champion, challenger),
            None => {
                let mut paired = PairedAnswers::default();
                paired.add(champion, challenger);
                self.by_label.insert(label.to_owned(), paired);
            }
        }
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
        let fallen = |paired: &PairedAnswers| {
            let (difference, _, high) = paired.difference();
            paired.emails >= EMAILS_PER_LABEL && difference < -LABEL_TOLERANCE && high < 0.0
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
                (0..n).for_each(|_| all.add(label, champion, challenger));
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
        // Chance.
        let few = comparison(&[("a", 400, 60, 0, 40), ("b", 8, 0, 2, 0)]);
        assert_eq!(few.refusal(), None);
    }
}
