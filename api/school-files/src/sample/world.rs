//! Families derived from a seed, each from its number alone.

use chrono::{Days, NaiveDate};
use domain::identifiers::{Academie, DepartmentTable, E164, Uai, match_key};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::names;
use super::people::{Enrolment, Fault, SampleChild, SampleGuardian, School};

/// Départements the schools lie in; those of one step apart are in different académies.
const DEPARTMENTS: [u32; 12] = [59, 33, 974, 69, 44, 13, 75, 67, 971, 35, 31, 94];

/// Most children of a family; numbers of children and guardians are spaced by powers of two.
const MOST_CHILDREN: u64 = 4;

/// What to write. Shares and rates lie between 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleSpec {
    /// The same seed and numbers give the same people.
    pub seed: u64,
    /// Pupils in all, double enrolments counted once.
    pub pupils: u64,
    /// Collèges and lycées.
    pub secondary_schools: u32,
    /// Écoles.
    pub primary_schools: u32,
    /// Year in which the school year begins.
    pub year: u16,
    /// Share of records that are wrong on purpose.
    pub error_rate: f64,
    /// 0 for a first export; each later one shows the people after further changes.
    pub generation: u32,
    /// Share of pupils that moved to another school of the same kind (later exports).
    pub transfer_share: f64,
    /// Share of pupils whose civil status was corrected (later exports).
    pub correction_share: f64,
    /// Share of guardians with a new mobile number (later exports).
    pub mobile_change_share: f64,
}

impl SampleSpec {
    /// A first export for `pupils`, in schools of about 400, half of them écoles, without errors.
    #[must_use]
    pub fn new(seed: u64, pupils: u64) -> Self {
        let schools = u32::try_from(pupils.div_ceil(800)).unwrap_or(u32::MAX).clamp(1, 20_000);
        Self {
            seed,
            pupils,
            secondary_schools: schools,
            primary_schools: schools,
            year: 2026,
            error_rate: 0.0,
            generation: 0,
            transfer_share: 0.0,
            correction_share: 0.0,
            mobile_change_share: 0.0,
        }
    }

    /// The next export of the same people: a twentieth moved, a fiftieth corrected, a thirtieth
    /// with a new number.
    #[must_use]
    pub fn later(&self) -> Self {
        Self {
            generation: self.generation + 1,
            transfer_share: 0.05,
            correction_share: 0.02,
            mobile_change_share: 0.03,
            ..self.clone()
        }
    }
}

/// The people a [`SampleSpec`] describes.
#[derive(Clone, Debug)]
pub struct World {
    spec: SampleSpec,
    families: u64,
    /// Children of the last family that still count.
    last_children: u64,
}

/// A child with the school it attends, and a second one for a double enrolment.
struct Placed {
    child: SampleChild,
    school: u32,
    second_school: Option<u32>,
}

struct Family {
    children: Vec<Placed>,
    guardians: Vec<SampleGuardian>,
}

/// Draws of one family. Only whole words are taken from the generator, so that the people do not
/// depend on how a library turns them into ranges.
struct Draw(ChaCha8Rng);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    fn share(&mut self, share: f64) -> bool {
        // 53 bits, the precision of the share.
        ((self.0.next_u64() >> 11) as f64) < share * (1_u64 << 53) as f64
    }
}

impl World {
    /// Counts the families that `spec.pupils` need.
    #[must_use]
    pub fn new(spec: SampleSpec) -> Self {
        let mut world = Self { spec, families: 0, last_children: 0 };
        let mut pupils = 0;
        while pupils < world.spec.pupils && world.schools() > 0 {
            let children = Self::child_count(&mut world.draw(world.families, 0));
            world.last_children = children.min(world.spec.pupils - pupils);
            pupils += world.last_children;
            world.families += 1;
        }
        world
    }

    /// What was asked for.
    #[must_use]
    pub fn spec(&self) -> &SampleSpec {
        &self.spec
    }

    /// Number of schools, collèges and lycées first.
    #[must_use]
    pub fn schools(&self) -> u32 {
        self.spec.secondary_schools + self.spec.primary_schools
    }

    /// A school by number.
    ///
    /// # Panics
    /// When more schools are asked for than a département can number (9,999).
    #[must_use]
    pub fn school(&self, number: u32) -> School {
        let secondary = number < self.spec.secondary_schools;
        // An école lies elsewhere than the collège its families also know.
        let place = if secondary { number } else { number - self.spec.secondary_schools + 5 };
        let count = DEPARTMENTS.len() as u32;
        let department = DEPARTMENTS[(place % count) as usize];
        let rank = 2 * (place / count) + u32::from(secondary);
        assert!(rank < 9_999, "more schools than a département can number");
        let uai = Uai::from_number(department * 10_000 + 1 + rank).expect("a département and a rank make seven digits");
        let academie: Academie =
            DepartmentTable::default().academie_of(uai).expect("the départements of samples have an académie");
        School { uai, academie, secondary }
    }

    /// The families with children in a school, in a fixed order.
    pub fn enrolments(&self, school: u32) -> impl Iterator<Item = Enrolment> + '_ {
        let mut homes = vec![
            school,
            self.partner(school),
            self.transfer_target(school),
            self.partner(self.transfer_target(school)),
        ];
        homes.sort_unstable();
        homes.dedup();
        let schools = u64::from(self.schools());
        (0..self.families.div_ceil(schools.max(1)))
            .flat_map(move |round| homes.clone().into_iter().map(move |home| round * schools + u64::from(home)))
            .filter(|family| *family < self.families)
            .filter_map(move |family| self.enrolment(family, school))
    }

    fn enrolment(&self, family: u64, school: u32) -> Option<Enrolment> {
        let family = self.family(family);
        let children: Vec<SampleChild> = family
            .children
            .into_iter()
            .filter(|placed| placed.school == school || placed.second_school == Some(school))
            .map(|placed| placed.child)
            .collect();
        (!children.is_empty()).then(|| Enrolment {
            guardians: if children.iter().all(|child| child.adult) { Vec::new() } else { family.guardians },
            children,
        })
    }

    /// The école of the families of a collège, and the other way round; itself where there is none.
    fn partner(&self, school: u32) -> u32 {
        let secondary = self.spec.secondary_schools;
        if school >= secondary {
            if school - secondary < secondary { school - secondary } else { school }
        } else if school < self.spec.primary_schools {
            school + secondary
        } else {
            school
        }
    }

    /// Where pupils of a school move to: its neighbour of the same kind.
    fn transfer_target(&self, school: u32) -> u32 {
        let first = if school < self.spec.secondary_schools { 0 } else { self.spec.secondary_schools };
        let count = if first == 0 && school < self.spec.secondary_schools {
            self.spec.secondary_schools
        } else {
            self.spec.primary_schools
        };
        let neighbour = (school - first) ^ 1;
        if neighbour < count { first + neighbour } else { school }
    }

    /// The draws of a family: `topic` 0 for what lasts, the generation for what changes.
    fn draw(&self, family: u64, topic: u32) -> Draw {
        let mut rng = ChaCha8Rng::seed_from_u64(self.spec.seed);
        rng.set_stream(family * 4_096 + u64::from(topic));
        Draw(rng)
    }

    fn child_count(draw: &mut Draw) -> u64 {
        match draw.below(100) {
            0..=44 => 1,
            45..=84 => 2,
            85..=95 => 3,
            _ => MOST_CHILDREN,
        }
    }

    fn family(&self, number: u64) -> Family {
        let mut draw = self.draw(number, 0);
        let mut count = Self::child_count(&mut draw);
        let homonym = draw.below(100) == 0;
        let surname = if homonym { "Homonyme".to_owned() } else { names::surname(draw.below(1 << 20)) };
        let guardians = guardians(number, &surname, &mut draw, self.spec.error_rate);
        let home = u32::try_from(number % u64::from(self.schools())).expect("schools are counted in 32 bits");
        let twins = draw.below(50) == 0;
        if number + 1 == self.families {
            count = count.min(self.last_children);
        }
        let mut children: Vec<Placed> = Vec::new();
        for rank in 0..count {
            let mut placed = self.child(number, rank, home, &surname, &mut draw);
            if homonym && rank == 0 {
                placed.child.given_names = vec!["Camille".into()];
            } else if let (true, Some(twin)) = (twins && rank == 1, children.first()) {
                placed.school = twin.school;
                placed.child.birth_date = twin.child.birth_date;
                placed.child.class.clone_from(&twin.child.class);
                placed.child.left_on = twin.child.left_on;
                placed.child.adult = false;
                placed.second_school = None;
            }
            name_apart(&mut placed.child, &children);
            children.push(placed);
        }
        let mut family = Family { children, guardians };
        for generation in 1..=self.spec.generation {
            self.change(&mut family, &mut self.draw(number, generation));
        }
        family
    }

    fn child(&self, family: u64, rank: u64, home: u32, surname: &str, draw: &mut Draw) -> Placed {
        let away = rank > 0 && draw.below(2) == 0;
        let school = if away { self.partner(home) } else { home };
        let secondary = school < self.spec.secondary_schools;
        let number = family * MOST_CHILDREN + rank;
        let (given, female) = names::given_name(draw.below(1 << 16));
        let mut given_names = vec![given.to_owned()];
        if secondary && draw.below(3) == 0 {
            given_names.push(names::given_name_of(draw.below(1 << 16), female).to_owned());
        }
        let (youngest, ages) = if secondary { (11, 7) } else { (3, 8) };
        let age = youngest + draw.below(ages);
        let adult = secondary && rank == 0 && draw.below(80) == 0;
        let birth_year = i32::from(self.spec.year) - i32::try_from(if adult { 19 } else { age }).unwrap_or(0);
        let birth_date = NaiveDate::from_yo_opt(birth_year, 1 + draw.below(365) as u32);
        let class = class_of(secondary, age - youngest, draw.below(4));
        let letters = *b"ABCDEFGHJK";
        let ine = format!(
            "{:09}{}{}",
            number % 1_000_000_000,
            char::from(letters[(number % 10) as usize]),
            char::from(letters[(number / 10 % 10) as usize]),
        );
        let incomplete = draw.below(100);
        let left = secondary && draw.below(100) == 0;
        let double = draw.below(200) == 0;
        let fault = draw.share(self.spec.error_rate).then(|| match draw.below(3) {
            0 => Fault::Date,
            1 => Fault::GivenName,
            _ => Fault::Ine,
        });
        Placed {
            child: SampleChild {
                number,
                ine: (incomplete != 0).then_some(ine),
                family_name: surname.to_owned(),
                usage_name: (draw.below(30) == 0).then(|| names::surname(draw.below(1 << 20))),
                given_names,
                birth_date: birth_date.filter(|_| incomplete != 1),
                female,
                class,
                left_on: NaiveDate::from_ymd_opt(i32::from(self.spec.year), 9, 15).filter(|_| left),
                adult,
                fault,
            },
            school,
            second_school: (double && fault.is_none()).then(|| self.transfer_target(school)),
        }
    }

    /// What happens to a family before a later export.
    fn change(&self, family: &mut Family, draw: &mut Draw) {
        for placed in &mut family.children {
            if draw.share(self.spec.transfer_share) {
                placed.school = self.transfer_target(placed.school);
                placed.second_school = None;
            }
            let days = 1 + draw.below(20);
            if draw.share(self.spec.correction_share) {
                placed.child.birth_date =
                    placed.child.birth_date.and_then(|date| date.checked_add_days(Days::new(days)));
                placed.child.family_name.push_str("-Corrigé");
            }
        }
        for guardian in &mut family.guardians {
            let number = draw.below(10_000);
            if draw.share(self.spec.mobile_change_share) && guardian.mobile.is_some() {
                guardian.mobile = Some(format!("+3363998{number:04}"));
            }
        }
    }
}

/// Gives a child another first name where an elder sibling already bears it.
fn name_apart(child: &mut SampleChild, elder: &[Placed]) {
    let mut number = child.number;
    while elder.iter().any(|placed| placed.child.given_names[0] == child.given_names[0]) {
        child.given_names[0] = names::given_name_of(number, child.female).to_owned();
        number += 1;
    }
}

fn class_of(secondary: bool, year: u64, section: u64) -> String {
    const SECONDARY: [&str; 7] = ["6EME", "5EME", "4EME", "3EME", "2NDE", "1ERE", "TERM"];
    const PRIMARY: [&str; 8] = ["PS", "MS", "GS", "CP", "CE1", "CE2", "CM1", "CM2"];
    let letter = ['A', 'B', 'C', 'É'][(section % 4) as usize];
    if secondary {
        format!("{} {letter}", SECONDARY[(year % 7) as usize])
    } else {
        format!("{} {letter}", PRIMARY[(year % 8) as usize])
    }
}

/// Two parents together or apart, or one alone, and now and then a grandparent or an educator.
fn guardians(family: u64, surname: &str, draw: &mut Draw, error_rate: f64) -> Vec<SampleGuardian> {
    let shape = draw.below(100);
    let apart = shape < 25;
    let count = if shape < 85 { 2 } else { 1 };
    let mut guardians = Vec::with_capacity(3);
    for rank in 0..count {
        let female = rank == 0;
        let own_name = (apart || draw.below(3) == 0) && rank == 1;
        let family_name = if own_name { names::surname(draw.below(1 << 20)) } else { surname.to_owned() };
        let (level, relationship) = (1, if female { 10 } else { 20 });
        let street = if apart { rank } else { 0 };
        let named = (family_name, female);
        guardians.push(guardian(family, rank, named, (level, relationship, street), draw, error_rate));
    }
    match draw.below(20) {
        0 => {
            let named = (names::surname(draw.below(1 << 20)), true);
            guardians.push(guardian(family, 2, named, (3, 38, 2), draw, error_rate));
        }
        1 => {
            let named = (names::surname(draw.below(1 << 20)), false);
            guardians.push(guardian(family, 2, named, (2, 41, 3), draw, error_rate));
        }
        _ => {}
    }
    guardians
}

fn guardian(
    family: u64,
    rank: u64,
    (family_name, female): (String, bool),
    (level, relationship, street): (u8, u8, u64),
    draw: &mut Draw,
    error_rate: f64,
) -> SampleGuardian {
    let number = family * 4 + rank;
    let given_name = names::given_name_of(draw.below(1 << 16), female).to_owned();
    let subscriber = number % 10_000;
    let mobile = match draw.below(100) {
        0..=2 => None,
        overseas @ 3..=5 => {
            let prefixes = E164::unassigned_overseas();
            let prefix = prefixes[(overseas + number) as usize % prefixes.len()];
            Some(format!("{prefix}{subscriber:04}"))
        }
        _ => Some(format!("+3363998{subscriber:04}")),
    };
    let landlines = ["+3319900", "+3326191", "+3335301", "+3346571", "+3353649"];
    let landline = landlines[draw.below(5) as usize];
    let email = (draw.below(4) != 0).then(|| format!("{}.{number}@example.org", match_key(&given_name)));
    SampleGuardian {
        number,
        title: if female { "MME" } else { "M." },
        usage_name: (draw.below(10) == 0).then(|| names::surname(draw.below(1 << 20))),
        family_name,
        given_name,
        mobile,
        home_phone: (draw.below(3) == 0).then(|| format!("{landline}{subscriber:04}")),
        email,
        level,
        relationship,
        street: family * 8 + street,
        listed_twice: draw.below(33) == 0,
        fault: draw.share(error_rate).then_some(Fault::GivenName),
    }
}
