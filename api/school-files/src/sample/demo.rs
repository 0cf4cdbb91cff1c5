//! A small fixed set for demonstrations: one collège, one école, one family in both.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use domain::identifiers::{Academie, DepartmentTable, E164, Uai};

use super::files::exported_at;
use super::people::{Enrolment, SampleChild, SampleGuardian, School};
use super::siecle::Stamp;
use super::{onde, siecle};

/// Year in which the demonstration's school year begins.
const YEAR: u16 = 2026;

/// A guardian one can be in the demonstration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoGuardian {
    /// Surname to type.
    pub family_name: String,
    /// First name to type.
    pub given_name: String,
    /// Mobile number, E.164.
    pub mobile: E164,
    /// The same as a form shows it.
    pub mobile_written: String,
    /// Children to confirm by birth date.
    pub children: Vec<DemoChild>,
}

/// A child of the demonstration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoChild {
    /// First name.
    pub given_name: String,
    /// Surname.
    pub family_name: String,
    /// Date of birth.
    pub birth_date: NaiveDate,
    /// School attended at first.
    pub school: Uai,
}

/// What [`write_demo`] wrote, and whom to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoSet {
    /// The collège (SIECLE).
    pub college: School,
    /// Its name.
    pub college_name: &'static str,
    /// The école (ONDE), in another académie.
    pub ecole: School,
    /// Its name.
    pub ecole_name: &'static str,
    /// The collège one child moves to (SIECLE).
    pub other_college: School,
    /// Its name.
    pub other_college_name: &'static str,
    /// Files to import first.
    pub files: Vec<PathBuf>,
    /// Files of a week later, in which the elder child moved to the other collège.
    pub transfer_files: Vec<PathBuf>,
    /// The guardian to be: a child in each school.
    pub guardian: DemoGuardian,
    /// The other parent of the same children.
    pub other_guardian: DemoGuardian,
    /// The child who moves.
    pub moving_child: DemoChild,
}

fn school(number: u32, secondary: bool) -> School {
    let uai = Uai::from_number(number).expect("seven digits");
    let academie: Academie = DepartmentTable::default().academie_of(uai).expect("a known département");
    School { uai, academie, secondary }
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("a day of the calendar")
}

fn child(number: u64, names: (&str, &str), born: NaiveDate, female: bool, class: &str) -> SampleChild {
    SampleChild {
        number,
        ine: Some(format!("99{number:07}AB")),
        family_name: names.0.into(),
        usage_name: None,
        given_names: vec![names.1.into()],
        birth_date: Some(born),
        female,
        class: class.into(),
        left_on: None,
        adult: false,
        fault: None,
    }
}

fn guardian(number: u64, names: (&str, &str), female: bool, mobile: &str) -> SampleGuardian {
    SampleGuardian {
        number,
        title: if female { "MME" } else { "M." },
        family_name: names.0.into(),
        usage_name: None,
        given_name: names.1.into(),
        mobile: Some(mobile.into()),
        home_phone: None,
        email: Some(format!("parent.{number}@example.org")),
        level: 1,
        relationship: if female { 10 } else { 20 },
        street: number,
        listed_twice: false,
        fault: None,
    }
}

/// Everybody in the files.
struct Cast {
    parents: Vec<SampleGuardian>,
    /// The parents' child at the collège, who moves.
    elder: SampleChild,
    /// The parents' child at the école.
    younger: SampleChild,
    /// A family at the collège.
    twins: Enrolment,
    /// A pupil of the collège without an INE.
    incomplete: Enrolment,
    /// A family at the other collège.
    resident: Enrolment,
}

impl Cast {
    fn new() -> Self {
        let of = |child, guardian| Enrolment { children: vec![child], guardians: vec![guardian] };
        let twins = vec![
            child(3, ("Imaginaire", "Lœtitia"), day(2013, 3, 8), true, "5EME B"),
            child(4, ("Imaginaire", "François"), day(2013, 3, 8), false, "5EME B"),
        ];
        let incomplete = child(6, ("Modèle", "Étienne"), day(2014, 1, 30), false, "6EME A");
        Self {
            parents: vec![
                guardian(1, ("Exemple", "Chloé"), true, "+33639980001"),
                guardian(2, ("Fictif", "Jérôme"), false, "+33639980002"),
            ],
            elder: child(1, ("Fictif-Exemple", "Zoé"), day(2014, 5, 17), true, "6EME A"),
            younger: child(2, ("Fictif-Exemple", "Noël"), day(2018, 12, 24), false, "CE2 B"),
            twins: Enrolment {
                children: twins,
                guardians: vec![guardian(5, ("Imaginaire", "Awa"), true, "+33639980005")],
            },
            incomplete: of(
                SampleChild { ine: None, ..incomplete },
                guardian(9, ("Modèle", "Hélène"), true, "+33639980009"),
            ),
            resident: of(
                child(7, ("Théorème", "Inès"), day(2014, 9, 2), true, "6EME C"),
                guardian(13, ("Théorème", "Paul"), false, "+33639980013"),
            ),
        }
    }

    /// The parents with one of their children.
    fn family(&self, child: &SampleChild) -> Enrolment {
        Enrolment { children: vec![child.clone()], guardians: self.parents.clone() }
    }
}

/// Writes the demonstration's exports under `directory`.
///
/// # Errors
/// Whatever the file system refuses.
pub fn write_demo(directory: &Path) -> io::Result<DemoSet> {
    let college = school(599_901, true);
    let other_college = school(599_902, true);
    let ecole = school(339_901, false);

    let cast = Cast::new();
    let first = [
        (&college, vec![cast.family(&cast.elder), cast.twins.clone(), cast.incomplete.clone()]),
        (&ecole, vec![cast.family(&cast.younger)]),
        (&other_college, vec![cast.resident.clone()]),
    ];
    let later = [
        (&college, vec![cast.twins.clone(), cast.incomplete.clone()]),
        (&other_college, vec![cast.resident.clone(), cast.family(&cast.elder)]),
    ];
    let files = write_generation(&directory.join("1-rentree"), &first, 0)?;
    let transfer_files = write_generation(&directory.join("2-changement-d-etablissement"), &later, 1)?;

    let described = |child: &SampleChild, school: &School| DemoChild {
        given_name: child.given_names.join(" "),
        family_name: child.family_name.clone(),
        birth_date: child.birth_date.expect("children of the demonstration have a birth date"),
        school: school.uai,
    };
    let children = vec![described(&cast.elder, &college), described(&cast.younger, &ecole)];
    let whom = |guardian: &SampleGuardian| {
        let mobile = guardian.mobile.clone().unwrap_or_default();
        DemoGuardian {
            family_name: guardian.family_name.clone(),
            given_name: guardian.given_name.clone(),
            mobile_written: super::people::national_form(&mobile),
            mobile: mobile.parse().expect("the number is in E.164 form"),
            children: children.clone(),
        }
    };
    Ok(DemoSet {
        college_name: "Collège de l'Exemple",
        ecole_name: "École de la Fiction",
        other_college_name: "Collège du Modèle",
        files,
        transfer_files,
        guardian: whom(&cast.parents[0]),
        other_guardian: whom(&cast.parents[1]),
        moving_child: children[0].clone(),
        college,
        ecole,
        other_college,
    })
}

fn write_generation(
    directory: &Path,
    schools: &[(&School, Vec<Enrolment>)],
    generation: u32,
) -> io::Result<Vec<PathBuf>> {
    let stamp = Stamp { year: YEAR, exported_at: exported_at(YEAR, generation), generation };
    let mut files = Vec::new();
    for (school, enrolments) in schools {
        let directory = directory.join(school.uai.as_str());
        fs::create_dir_all(&directory)?;
        let enrolments = || enrolments.iter().cloned();
        files.extend(if school.secondary {
            siecle::write(&directory, school, &stamp, enrolments)?
        } else {
            onde::write(&directory, school, enrolments)?
        });
    }
    Ok(files)
}
