//! People by age and gender: which segments there are, and what they are called.
//!
//! ```text
//! age 30, gender "female"  ─▶  band 25-34, gender F  ─▶  topic user_behavior.25-34.F, list segment=age:25-34,gender:F
//! nothing known            ─▶  band unknown, gender unknown
//! ```
//! Names are made of settings and of four words, never of what was sent, so they are few and legal wherever they are used.

/// Most bands there may be.
const BANDS_MAX: usize = 32;
/// No age from here on is believed.
const AGE_END: u16 = 150;
/// Genders by number.
const GENDERS: [&str; 4] = [UNKNOWN, "F", "M", "other"];
/// What is not known.
const UNKNOWN: &str = "unknown";

/// A band of ages, or unknown, and a gender, or unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment(u8);

/// One segment, or all of a band, or all of a gender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    band: Option<u8>,
    gender: Option<u8>,
}

/// How ages fall into bands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AgeBands {
    /// The ages at which a band begins, in years, rising; the first begins at 0.
    begins: Vec<u16>,
}

impl Default for AgeBands {
    fn default() -> Self {
        Self { begins: vec![18, 25, 35, 45, 55, 65] }
    }
}

impl AgeBands {
    /// The bands that begin at 0 and at these ages, which have commas between them. `None` if they do not rise.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let ages = text.split(',').map(str::trim).filter(|age| !age.is_empty());
        let begins = ages.map(|age| age.parse().ok()).collect::<Option<Vec<u16>>>()?;
        let rising = begins.windows(2).all(|pair| pair[0] < pair[1]);
        let possible = begins.iter().all(|age| (1..AGE_END).contains(age)) && begins.len() < BANDS_MAX;
        (rising && possible).then_some(Self { begins })
    }

    /// The ages at which a band begins, as [`AgeBands::parse`] takes them.
    pub(crate) fn text(&self) -> String {
        self.begins.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
    }

    /// The segment of somebody.
    pub(crate) fn segment(&self, age: Option<f64>, gender: Option<&str>) -> Segment {
        let known = age.filter(|age| (0.0..f64::from(AGE_END)).contains(age));
        let began = |age: f64| self.begins.iter().filter(|&&begin| age >= f64::from(begin)).count() as u8;
        let band = known.map_or(0, |age| 1 + began(age));
        Segment(band * GENDERS.len() as u8 + gender_of(gender))
    }

    /// Every segment, of which the first is the one of whom nothing is known.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment> + use<> {
        (0..(self.begins.len() as u8 + 2) * GENDERS.len() as u8).map(Segment)
    }

    /// The groups that something is known of: each segment of which all is, each band, each gender.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Group> + use<> {
        let (bands, genders) = (1..self.begins.len() as u8 + 2, 1..GENDERS.len() as u8);
        let of_band = move |band| {
            let each = genders.clone().map(Some);
            std::iter::once(None).chain(each).map(move |gender| Group { band: Some(band), gender })
        };
        let of_gender = (1..GENDERS.len() as u8).map(|gender| Group { band: None, gender: Some(gender) });
        bands.flat_map(of_band).chain(of_gender)
    }

    /// A segment as the end of a topic's name, such as `25-34.F`, `unknown.M` or `unknown.unknown`.
    pub(crate) fn suffix(&self, segment: Segment) -> String {
        format!("{}.{}", self.band_name(segment.band()), GENDERS[usize::from(segment.gender())])
    }

    /// A group as the name of its list, such as `age:25-34,gender:F` or `gender:M`.
    pub(crate) fn name(&self, group: Group) -> String {
        let band = group.band.map(|band| format!("age:{}", self.band_name(band)));
        let gender = group.gender.map(|gender| format!("gender:{}", GENDERS[usize::from(gender)]));
        band.into_iter().chain(gender).collect::<Vec<_>>().join(",")
    }

    /// The group of such a name, its parts in either order; genders are taken in any spelling.
    pub(crate) fn group(&self, name: &str) -> Option<Group> {
        let mut group = Group { band: None, gender: None };
        for part in name.split(',') {
            let (of, value) = part.split_once(':')?;
            let (place, found) = match of.trim() {
                "age" => (&mut group.band, self.band_of_name(value.trim())?),
                "gender" => (&mut group.gender, gender_of(Some(value))),
                _ => return None,
            };
            if place.replace(found).is_some() {
                return None;
            }
        }
        Some(group)
    }

    fn band_name(&self, band: u8) -> String {
        let Some(place) = usize::from(band).checked_sub(1) else { return UNKNOWN.to_owned() };
        let begin = place.checked_sub(1).map_or(0, |before| self.begins[before]);
        match self.begins.get(place) {
            Some(end) => format!("{begin}-{}", end - 1),
            None => format!("{begin}-up"),
        }
    }

    fn band_of_name(&self, name: &str) -> Option<u8> {
        (0..self.begins.len() as u8 + 2).find(|&band| self.band_name(band) == name)
    }
}

impl Segment {
    /// Its number among all of its bands.
    pub(crate) fn at(self) -> usize {
        usize::from(self.0)
    }

    /// Whether anything is known of it.
    pub(crate) fn is_known(self) -> bool {
        self.0 > 0
    }

    fn band(self) -> u8 {
        self.0 / GENDERS.len() as u8
    }

    fn gender(self) -> u8 {
        self.0 % GENDERS.len() as u8
    }
}

impl Group {
    /// Whether a segment is of it.
    pub(crate) fn has(self, segment: Segment) -> bool {
        self.band.is_none_or(|band| band == segment.band())
            && self.gender.is_none_or(|gender| gender == segment.gender())
    }
}

impl From<Segment> for Group {
    fn from(segment: Segment) -> Self {
        Self { band: Some(segment.band()), gender: Some(segment.gender()) }
    }
}

fn gender_of(text: Option<&str>) -> u8 {
    match text.map(|text| text.trim().to_lowercase()).as_deref() {
        None | Some("" | UNKNOWN) => 0,
        Some("f" | "female" | "w" | "woman") => 1,
        Some("m" | "male" | "man") => 2,
        Some(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_have_segments() {
        let bands = AgeBands::default();
        for (age, gender, suffix) in [
            (Some(17.9), None, "0-17.unknown"),
            (Some(18.0), Some("F"), "18-24.F"),
            (Some(34.0), Some("male"), "25-34.M"),
            (Some(90.0), Some("../x"), "65-up.other"),
            (None, Some(" M "), "unknown.M"),
            (Some(-1.0), Some("w"), "unknown.F"),
            (Some(f64::INFINITY), Some("Woman"), "unknown.F"),
            (Some(f64::NAN), Some("Unknown"), "unknown.unknown"),
            (Some(150.0), Some(""), "unknown.unknown"),
        ] {
            let segment = bands.segment(age, gender);
            assert_eq!(bands.suffix(segment), suffix);
            assert_eq!(segment.is_known(), suffix != "unknown.unknown");
        }
    }

    #[test]
    fn names_lead_back_to_their_groups() {
        let bands = AgeBands::default();
        assert_eq!(bands.groups().count(), 7 * 4 + 3);
        for group in bands.groups() {
            assert_eq!(bands.group(&bands.name(group)), Some(group));
        }
        let group = bands.group("gender:female, age:25-34").unwrap();
        assert_eq!(bands.name(group), "age:25-34,gender:F");
        let held: Vec<_> = bands.segments().filter(|&segment| group.has(segment)).collect();
        assert_eq!(held, [bands.segment(Some(30.0), Some("f"))]);
        let women = bands.group("gender:F").unwrap();
        assert_eq!(bands.segments().filter(|&segment| women.has(segment)).count(), 8);
        for name in ["", "age", "age:30", "age:25-35", "25-34", "gender:F,gender:M", "colour:red"] {
            assert_eq!(bands.group(name), None, "{name}");
        }
    }

    #[test]
    fn bands_are_set() {
        let bands = AgeBands::parse("30, 50").unwrap();
        let suffix = |age| bands.suffix(bands.segment(Some(age), None));
        assert_eq!(
            [suffix(0.0), suffix(30.0), suffix(50.0)],
            ["0-29.unknown", "30-49.unknown", "50-up.unknown"]
        );
        assert_eq!(bands.text(), "30,50");
        let one = AgeBands::parse("").unwrap();
        assert_eq!(one.suffix(one.segment(Some(3.0), None)), "0-up.unknown");
        let many = (1..=40).map(|age: u8| age.to_string()).collect::<Vec<_>>().join(",");
        for text in ["0", "18,18", "25,18", "150", "x", "-1", "18;25", &many] {
            assert_eq!(AgeBands::parse(text), None, "{text}");
        }
    }
}
