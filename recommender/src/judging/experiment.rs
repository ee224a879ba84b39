//! Experiments: which model answers whom, so that models can be compared.
//!
//! ```text
//! h = XXH3-64(experiment, 0x00, user)        uniform over 64 bits
//! the arm whose share of the line holds h·(Σ weights) / 2⁶⁴
//! ```
//! Nothing is remembered: a user stays in the arm as long as name, arms and weights stay, and two experiments cut the
//! users independently of each other. Whoever knows the name of the experiment can tell the arm of a user from outside.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

use crate::config::rules::Rule;
use crate::ranking::fuse::ModelChoice;

/// Most arms of one experiment.
const ARMS_MAX: usize = 16;
/// The greatest weight of an arm.
const WEIGHT_MAX: u32 = 1_000_000;
/// The longest name of an experiment or an arm, in bytes: names stand in every answer.
const NAME_BYTES_MAX: usize = 64;

/// One experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    name: String,
    arms: Vec<Arm>,
    /// Only answers of this scenario take part.
    scenario: Option<String>,
}

/// One arm of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    name: String,
    model: String,
    weight: u32,
}

/// By what an answer is given, and why by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Assignment<'a> {
    /// The model; `None` for all fused.
    pub model: Option<&'a str>,
    /// Experiment and arm, if the user is in one.
    pub arm: Option<(&'a str, &'a str)>,
}

impl Experiment {
    /// Reads a rule: `name: arms=fused:50|item-cosine:50 scenario=home`. An arm is `model:weight`, or
    /// `name=model:weight` where two arms have one model.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(rule: &mut Rule) -> Result<Self, String> {
        short(&rule.name)?;
        let text = rule.required("arms")?;
        let arms: Vec<Arm> = text.split('|').map(Arm::read).collect::<Result<_, _>>()?;
        if !(2..=ARMS_MAX).contains(&arms.len()) {
            return Err(format!("field `arms` has {} arms, not 2 to {ARMS_MAX}", arms.len()));
        }
        let twice =
            arms.iter().enumerate().find(|(at, arm)| arms[..*at].iter().any(|one| one.name == arm.name));
        if let Some((_, arm)) = twice {
            return Err(format!("arm `{}` is there twice", arm.name));
        }
        Ok(Self { name: rule.name.clone(), arms, scenario: rule.text("scenario") })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the arms; the first is what the others are compared with.
    pub fn arms(&self) -> impl Iterator<Item = &str> {
        self.arms.iter().map(|arm| arm.name.as_str())
    }

    /// The models of the arms.
    pub(crate) fn models(&self) -> impl Iterator<Item = &str> {
        self.arms.iter().map(|arm| arm.model.as_str())
    }

    /// Whether answers of a scenario take part.
    pub(crate) fn covers(&self, scenario: Option<&str>) -> bool {
        self.scenario.is_none() || self.scenario.as_deref() == scenario
    }

    /// The arm of a user.
    pub(crate) fn assign(&self, user: &str) -> Assignment<'_> {
        let mut hash = Xxh3::new();
        hash.update(self.name.as_bytes());
        hash.update(&[0]);
        hash.update(user.as_bytes());
        let total: u128 = self.arms.iter().map(|arm| u128::from(arm.weight)).sum();
        let mut place = (u128::from(hash.digest()) * total) >> 64;
        for arm in &self.arms {
            let weight = u128::from(arm.weight);
            if place < weight {
                return Assignment {
                    model: Some(arm.model.as_str()).filter(|model| *model != "fused"),
                    arm: Some((&self.name, &arm.name)),
                };
            }
            place -= weight;
        }
        Assignment::default()
    }
}

impl Arm {
    fn read(text: &str) -> Result<Self, String> {
        let (model, weight) =
            text.rsplit_once(':').ok_or_else(|| format!("arm `{text}` is not `model:weight`"))?;
        let (name, model) = model.split_once('=').unwrap_or((model, model));
        short(name)?;
        if ModelChoice::from_name(model).is_none() {
            return Err(format!("arm `{text}`: `{model}` is no model"));
        }
        let weight = weight.parse().ok().filter(|weight| (1..=WEIGHT_MAX).contains(weight));
        let weight =
            weight.ok_or_else(|| format!("arm `{text}`: its weight is no number from 1 to {WEIGHT_MAX}"))?;
        Ok(Self { name: name.to_owned(), model: model.to_owned(), weight })
    }
}

fn short(name: &str) -> Result<(), String> {
    match name.len() {
        1..=NAME_BYTES_MAX => Ok(()),
        length => Err(format!("a name of {length} bytes, not 1 to {NAME_BYTES_MAX}")),
    }
}

/// As [`Experiment::read`] reads it.
impl fmt::Display for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: arms=", self.name)?;
        for (place, arm) in self.arms.iter().enumerate() {
            let between = if place == 0 { "" } else { "|" };
            write!(f, "{between}{}={}:{}", arm.name, arm.model, arm.weight)?;
        }
        self.scenario.iter().try_for_each(|scenario| write!(f, " scenario={scenario}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::rules;

    fn read(text: &str) -> Result<Experiment, String> {
        rules::parse(text, Experiment::read).map(|mut rules| rules.remove(0))
    }

    #[test]
    fn users_are_cut_by_weight_and_stay() {
        let experiment = read("ranking: arms=fused:80|item-cosine:20").expect("a good rule");
        let arm_of = |user: usize| experiment.assign(&user.to_string()).arm.expect("an arm").1;
        let fused = (0..100_000).filter(|&user| arm_of(user) == "fused").count();
        // Five standard deviations of a binomial of 100,000 at .8 are 632.
        assert!((79_368..=80_632).contains(&fused), "{fused}");
        assert!((0..100).all(|user| arm_of(user) == arm_of(user)));
        let assigned = (0..100).map(|user| experiment.assign(&user.to_string()));
        for Assignment { model, arm } in assigned {
            assert_eq!(model, if arm == Some(("ranking", "fused")) { None } else { Some("item-cosine") });
        }
    }

    #[test]
    fn experiments_cut_independently() {
        let two = ["a", "b"].map(|name| read(&format!("{name}: arms=fused:1|llr:1")).expect("a good rule"));
        let both = (0..40_000u32).filter(|user| {
            two.iter().all(|one| one.assign(&user.to_string()).arm.is_some_and(|(_, arm)| arm == "fused"))
        });
        let both = both.count();
        assert!((9_567..=10_433).contains(&both), "{both} of 40,000, five deviations about a quarter");
    }

    #[test]
    fn what_is_written_is_read_and_what_is_wrong_is_named() {
        for text in ["a: arms=x=fused:1|y=fused:2 scenario=home", "a: arms=fused=fused:1|llr=llr:3"] {
            assert_eq!(read(text).map(|one| one.to_string()), Ok(text.to_owned()));
        }
        for (text, said) in [
            ("a: arms=fused:1", "rule `a`: field `arms` has 1 arms, not 2 to 16"),
            ("a: arms=fused:1|fused:2", "rule `a`: arm `fused` is there twice"),
            ("a: arms=fused|llr:1", "rule `a`: arm `fused` is not `model:weight`"),
            ("a: arms=oracle:1|llr:1", "rule `a`: arm `oracle:1`: `oracle` is no model"),
            ("a: arms=fused:0|llr:1", "rule `a`: arm `fused:0`: its weight is no number from 1 to 1000000"),
            ("a: arms=fused:1|llr:1 on=home", "rule `a`: field `on` is unknown; there are arms, scenario"),
        ] {
            assert_eq!(read(text), Err(said.to_owned()), "{text}");
        }
    }
}
