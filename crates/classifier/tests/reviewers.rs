//! Simulated offices: the mail changes, a new label comes up, the best reviewer gets what is hard,
//! and one of the others may guess.
#![allow(missing_docs, clippy::unwrap_used)]

use linfa::ParamGuard;
use pg_triage_classifier::{
    ComparedDecision, Comparison, Features, LabelErrorFinder, Learner, Model, StandsOut, State,
    Trainer, margin_against, never_cancelled, stands_out,
};

/// Steele, Lea and Flood 2014 (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn chance(&mut self, p: f64) -> bool {
        ((self.next() >> 11) as f64) < p * (1_u64 << 53) as f64
    }
}

const LABELS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "new"];
const NEW: u64 = 6;
const PEOPLE: [&str; 5] = ["ann", "ben", "cleo", "dan", "expert"];
const GUESSER: usize = 1;
const EXPERT: usize = 4;

/// Honest people err so often, all but the best of them.
const SLIPS: f64 = 0.02;

struct Mail {
    features: Features,
    label: u64,
    /// Of the new label, or with the words of another one.
    is_hard: bool,
}

/// Six to nineteen words: a third of the label, some of a neighbouring one, and common ones.
fn mail(random: &mut Random, is_later: bool) -> Mail {
    let is_new = is_later && random.chance(0.08);
    let label = if is_new { NEW } else { random.below(6) };
    // Two labels have the words of others later, and the new one those of "c".
    let drifts = is_later && label < 2 && random.chance(0.6);
    let alike = if is_new { 2 } else { label + 3 };
    let is_hard = is_new || drifts;
    let words = 6 + random.below(14);
    let word = |_| {
        let of = match random.below(10) {
            0 | 1 | 4 | 5 | 6 if is_hard => alike,
            0..=2 => label,
            3 => (label ^ 1) % 7,
            _ => 20,
        };
        let different = if of == 20 { 300 } else { 40 };
        // The lower, the more often.
        of * 1000 + random.below(different).min(random.below(different))
    };
    let mut keys: Vec<u64> = (0..words).map(word).collect();
    keys.sort_unstable();
    keys.dedup();
    Mail {
        features: Features::from_sorted(keys).unwrap(),
        label,
        is_hard,
    }
}

struct Decision {
    mail: Mail,
    label: &'static str,
    by: usize,
    predicted: String,
    confidence: f64,
    day: i64,
}

fn trained(state: &State) -> Model {
    let trainer = Trainer::params().check().unwrap();
    let bytes = trainer.fit_state(&mut state.clone(), &never_cancelled);
    Model::from_bytes(bytes.unwrap(), &never_cancelled).unwrap()
}

/// An office that has learned from `history` mails, and the decisions since.
struct Office {
    state: State,
    champion: Model,
    decisions: Vec<Decision>,
    judges: Vec<Decision>,
}

impl Office {
    /// The expert gets this share of what is hard, the others the rest; one of them guesses so
    /// often.
    fn new(seed: u64, history: u64, decisions: u64, to_expert: f64, guesses: f64) -> Self {
        let random = &mut Random(seed);
        let mut state = State::default();
        for _ in 0..history {
            let mail = mail(random, false);
            let label = LABELS[mail.label as usize];
            state.learn(&mail.features, label).unwrap();
        }
        let champion = trained(&state);
        let (mut learned, mut judges) = (Vec::new(), Vec::new());
        for n in 0..decisions {
            let mail = mail(random, true);
            let by = match mail.is_hard && random.chance(to_expert) {
                true => EXPERT,
                false => random.below(4) as usize,
            };
            let guesses_now = by == GUESSER && random.chance(guesses);
            let label = if guesses_now || by != EXPERT && random.chance(SLIPS) {
                (mail.label + 1 + random.below(6)) % 7
            } else {
                mail.label
            };
            let answer = champion.classify(&mail.features, &never_cancelled).unwrap();
            let decision = Decision {
                label: LABELS[label as usize],
                by,
                predicted: answer.label.to_owned(),
                confidence: answer.probability,
                day: n as i64 / 200,
                mail,
            };
            if n % 5 == 0 {
                judges.push(decision);
            } else {
                state
                    .learn(&decision.mail.features, decision.label)
                    .unwrap();
                learned.push(decision);
            }
        }
        Self {
            state,
            champion,
            decisions: learned,
            judges,
        }
    }

    /// As maintenance looks at its reviewers.
    fn stands_out(&self) -> Option<StandsOut> {
        let mut all = self.state.clone();
        let mut new = State::default();
        for decision in &self.decisions {
            new.learn(&decision.mail.features, decision.label).unwrap();
        }
        let all = LabelErrorFinder::new(&mut all, &never_cancelled).unwrap();
        let new = LabelErrorFinder::new(&mut new, &never_cancelled).unwrap();
        let finders = [&all.unwrap(), &new.unwrap()];
        let compared = |of| compared(of, finders);
        let compared: Vec<_> = self.decisions.iter().map(compared).collect();
        stands_out(&compared, &never_cancelled)
    }

    /// Share of the contradicted among the decisions of one, by the counts of all others alone.
    fn contradicted(&self, is_looked_at: impl Fn(&Decision) -> bool) -> (u64, u64) {
        let mut all = self.state.clone();
        let all = LabelErrorFinder::new(&mut all, &never_cancelled)
            .unwrap()
            .unwrap();
        let of: Vec<_> = self.decisions.iter().filter(|d| is_looked_at(d)).collect();
        let is_contradicted = |d: &&&Decision| {
            let found = all.check(&d.mail.features, d.label).unwrap();
            found.is_some_and(|found| found.margin >= 1.1)
        };
        (
            of.iter().filter(is_contradicted).count() as u64,
            of.len() as u64,
        )
    }

    /// As maintenance compares a new version.
    fn comparison(&self) -> Comparison {
        let challenger = trained(&self.state);
        let mut comparison = Comparison::default();
        for judge in &self.judges {
            let features = &judge.mail.features;
            let before = self.champion.classify(features, &never_cancelled).unwrap();
            let after = challenger.classify(features, &never_cancelled).unwrap();
            comparison.add(judge.label, Some(before.label), Some(after.label));
        }
        comparison
    }
}

fn compared<'a>(of: &'a Decision, finders: [&LabelErrorFinder; 2]) -> ComparedDecision<'a> {
    ComparedDecision {
        by: [PEOPLE[of.by], "office"],
        predicted: Some(&of.predicted),
        confidence: Some(of.confidence),
        decided: of.label,
        day: of.day,
        margin: margin_against(finders, &of.mail.features, of.label).unwrap(),
    }
}

/// In how many of so many offices the guesser is named. Nobody else ever is.
fn named(runs: u64, decisions: u64, guesses: f64) -> u64 {
    let mut named = 0;
    for seed in 0..runs {
        let office = Office::new(seed, 1200, decisions, 0.8, guesses);
        if let Some(found) = office.stands_out() {
            assert!(guesses > 0.0, "seed {seed}: {found:?}");
            assert_eq!(found.by, PEOPLE[GUESSER], "seed {seed}: {found:?}");
            assert!(found.contradicted as f64 > found.expected);
            named += 1;
        }
    }
    named
}

#[test]
fn nobody_is_named_where_nobody_guesses_however_hard_the_mail_of_the_best_is() {
    let mut simply_more = 0;
    for seed in 0..100 {
        // Little is new, and nearly all of it goes to the expert.
        let (decisions, to_expert) = [(500, 0.8), (1000, 0.98)][seed as usize % 2];
        let office = Office::new(1000 + seed, 5000, decisions, to_expert, 0.0);
        let found = office.stands_out();
        assert_eq!(found, None, "seed {seed}");
        // The shares of expert and others side by side would accuse the expert.
        let (own, of) = office.contradicted(|d| d.by == EXPERT);
        let (others, of_others) = office.contradicted(|d| d.by != EXPERT);
        let share = |n: u64, of: u64| n as f64 / of as f64;
        simply_more += u32::from(share(own, of) > share(others, of_others) + 0.1);
    }
    assert!(simply_more > 90, "only {simply_more} offices are hard");
}

#[test]
fn who_guesses_is_named_where_there_is_enough_to_tell_and_nobody_else_is() {
    for (decisions, guesses, least) in [(500, 0.3, 30), (1000, 0.3, 39), (2500, 0.1, 38)] {
        let named = named(40, decisions, guesses);
        println!("{guesses} of {decisions}: {named} of 40");
        assert!(named >= least, "{guesses} of {decisions}: {named} of 40");
    }
    let named = named(20, 6000, 0.05);
    println!("0.05 of 6000: {named} of 20");
    assert!(named >= 18, "{named}");
}

#[test]
fn the_better_version_of_such_an_office_is_not_refused() {
    let mut refused = Vec::new();
    for seed in 0..50 {
        let guesses = [0.0, 0.05, 0.1, 0.3][seed as usize % 4];
        let office = Office::new(2000 + seed, 1200, 1000, 0.8, guesses);
        let comparison = office.comparison();
        let all = comparison.all;
        assert!(
            all.challenger > all.champion + all.emails / 20,
            "seed {seed}: {all:?}"
        );
        refused.extend(comparison.refusal().map(|refusal| (seed, refusal)));
    }
    assert!(refused.is_empty(), "{refused:?}");
}

fn decisions<'a>(
    of: &'a [(&'a str, u32, u32)],
    predicted: &'a str,
    decided: &'a str,
    day: i64,
) -> impl Iterator<Item = ComparedDecision<'a>> {
    of.iter().flat_map(move |(by, decisions, contradicted)| {
        (0..*decisions).map(move |n| ComparedDecision {
            by: [by, "app"],
            predicted: Some(predicted),
            confidence: Some(0.9),
            decided,
            day,
            margin: if n < *contradicted { 3.0 } else { 0.0 },
        })
    })
}

/// One stratum, by hand: 12 of 100 decisions are contradicted, all of them among the 40 of one. The
/// chance of that is C(40, 12) / C(100, 12), and four comparisons are made: two people, two
/// margins. The role is everybody's: there is nobody to compare it with.
#[test]
fn chance_by_hand() {
    let of = [("ann", 60, 0), ("ben", 40, 12)];
    let all: Vec<_> = decisions(&of, "a", "a", 0).collect();
    let found = stands_out(&all, &never_cancelled).unwrap();
    assert_eq!(
        (found.by.as_str(), found.decisions, found.contradicted),
        ("ben", 40, 12)
    );
    assert_eq!((found.others, found.others_contradicted), (60, 0));
    assert!((found.expected - 4.8).abs() < 1e-9);
    let chance: f64 = (0..12)
        .map(|n| f64::from(40 - n) / f64::from(100 - n))
        .product();
    assert!(
        (found.chance / (4.0 * chance) - 1.0).abs() < 1e-9,
        "{found:?}"
    );
}

/// The same decisions, in strata in which there is nobody to compare with.
#[test]
fn who_cannot_be_compared_is_not_named() {
    let (ann, ben) = ([("ann", 60, 0)], [("ben", 40, 12)]);
    for (prediction, label, day) in [("b", "a", 0), ("a", "b", 0), ("a", "a", 1)] {
        let all = decisions(&ann, "a", "a", 0).chain(decisions(&ben, prediction, label, day));
        let all: Vec<_> = all.collect();
        assert_eq!(
            stands_out(&all, &never_cancelled),
            None,
            "{prediction} {label} {day}"
        );
    }
    // Others beside have as many, whatever anybody else has elsewhere.
    let all: Vec<_> = decisions(&[("ben", 40, 12), ("cleo", 40, 10)], "b", "b", 0)
        .chain(decisions(&[("ann", 600, 0)], "a", "a", 0))
        .collect();
    assert_eq!(stands_out(&all, &never_cancelled), None);
    // Few decisions say nothing, whatever they are.
    let all: Vec<_> = decisions(&[("ann", 600, 0), ("ben", 29, 29)], "a", "a", 0).collect();
    assert_eq!(stands_out(&all, &never_cancelled), None);
}

/// So many decisions of one day overflow no number.
#[test]
fn thousands_of_decisions_of_one_kind_are_judged() {
    for (contradicted, named) in [(1000, false), (1400, true)] {
        let of = [("ann", 2000, 1000), ("ben", 2000, contradicted)];
        let all: Vec<_> = decisions(&of, "a", "a", 0).collect();
        let found = stands_out(&all, &never_cancelled);
        assert_eq!(found.is_some(), named, "{found:?}");
        assert!(found.is_none_or(|found| found.chance.is_finite() && found.by == "ben"));
    }
}
