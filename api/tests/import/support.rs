//! A ledger with views in a database of the test's own, and SIECLE exports written by the test.

use api::import::{ImportError, ImportOptions, Importer, Outcome, Summary};
use domain::identifiers::Uai;
use ledger::postgres::Role;
use ledger::postgres::testing::{TestDatabase, fresh_database};
use ledger::{Ledger, MasterKeys};
use projections::{Name, Runner, compare};
use sqlx::PgPool;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Lille, Lyon and Bordeaux: three académies.
pub const LILLE: u32 = 590_901;
pub const LILLE_TOO: u32 = 590_902;
pub const LYON: u32 = 690_901;

pub struct Setting {
    pub ledger: Ledger,
    pub db: PgPool,
    pub importer: Importer,
    pub folder: TempDir,
    runner: Runner,
    _database: TestDatabase,
}

impl Setting {
    pub async fn new() -> Self {
        let database = fresh_database().await;
        let db = database.pool(Role::Service, 12).await.unwrap();
        // Always the same: the keys of ONDE guardians derive from it, and some tests compare two databases.
        let keys = MasterKeys::from_hex(&"0123456789abcdef".repeat(8)).unwrap();
        let ledger = Ledger::open(db.clone(), keys).await.unwrap();
        let runner = Runner::start(ledger.clone(), db.clone()).await.unwrap();
        let importer = Importer::new(ledger.clone(), db.clone(), runner.views(), Default::default());
        Self { ledger, db, importer, folder: TempDir::new().unwrap(), runner, _database: database }
    }

    /// Imports files that make one export.
    pub async fn import_files(&self, files: Vec<PathBuf>, options: &ImportOptions) -> Result<Outcome, ImportError> {
        let mut exports = self.importer.validate(files, options).await?;
        assert_eq!(exports.len(), 1);
        let export = exports.remove(0)?;
        self.importer.import(export, options, &|_| {}).await
    }

    pub async fn import_with(&self, export: &Siecle, options: &ImportOptions) -> Result<Outcome, ImportError> {
        self.import_files(export.write(self.folder.path()), options).await
    }

    /// Imports what must go in.
    pub async fn import(&self, export: &Siecle) -> Summary {
        imported(self.import_with(export, &ImportOptions::default()).await.unwrap())
    }

    /// Number of events.
    pub async fn size(&self) -> u64 {
        self.ledger.root().await.unwrap().0
    }

    /// Types of the events from a position on, without those of the run itself.
    pub async fn events_since(&self, position: u64) -> Vec<String> {
        let events = self.ledger.read(position, 100_000).await.unwrap();
        let types = events.iter().map(|event| event.event.event_type());
        types.filter(|name| !name.starts_with("SchoolData")).collect()
    }

    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(&format!("SELECT count(*) FROM {sql}")).fetch_one(&self.db).await.unwrap()
    }

    /// Rows of one text column, sorted.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let mut rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(&self.db).await.unwrap();
        rows.sort();
        rows
    }

    /// Where a pupil is enrolled, by INE.
    pub async fn schools_of(&self, ine: &str) -> Vec<String> {
        self.texts(&format!(
            "SELECT establishment FROM view_people.enrolment e JOIN view_people.pupil p ON p.id = e.pupil \
             WHERE p.ine = '{ine}'"
        ))
        .await
    }

    /// Accounts of pupils, by INE.
    pub async fn pupil_accounts(&self, ine: &str) -> i64 {
        self.count(&format!(
            "view_accounts.account a JOIN view_people.pupil p ON p.id = a.holder WHERE p.ine = '{ine}'"
        ))
        .await
    }

    pub async fn guardian_accounts(&self) -> i64 {
        self.count("view_accounts.account WHERE holder_kind = 'guardian'").await
    }

    /// Every view equals its replay.
    pub async fn assert_equal_to_replay(&self) {
        for name in Name::ALL {
            let found = compare(&self.ledger, &self.db, name, |_| {}).await.unwrap();
            assert!(found.is_equal(), "{found:#?}");
        }
    }

    pub async fn stop(self) {
        self.runner.stop().await;
        self.ledger.close().await;
    }
}

pub fn imported(outcome: Outcome) -> Summary {
    match outcome {
        Outcome::Imported(summary) => summary,
        other => panic!("{other:?}"),
    }
}

pub fn uai(number: u32) -> Uai {
    Uai::from_number(number).unwrap()
}

#[derive(Clone, Debug)]
pub struct Pupil {
    pub id: u32,
    pub ine: Option<&'static str>,
    pub family: &'static str,
    pub given: &'static str,
    pub birth: &'static str,
    pub class: &'static str,
    pub left: Option<&'static str>,
}

/// A complete record; the INE tells pupils apart.
pub fn pupil(id: u32, ine: &'static str, family: &'static str, given: &'static str) -> Pupil {
    Pupil { id, ine: Some(ine), family, given, birth: "04/03/2014", class: "6A", left: None }
}

#[derive(Clone, Debug)]
pub struct Person {
    pub id: u32,
    pub family: &'static str,
    pub given: &'static str,
    pub mobile: Option<&'static str>,
}

pub fn person(id: u32, family: &'static str, given: &'static str, mobile: &'static str) -> Person {
    Person { id, family, given, mobile: Some(mobile) }
}

/// An export of a collège.
#[derive(Clone, Debug)]
pub struct Siecle {
    pub school: u32,
    pub year: u16,
    /// Day of September of the export.
    pub day: u32,
    pub pupils: Vec<Pupil>,
    pub persons: Vec<Person>,
    /// Pupil, person, level, relationship.
    pub links: Vec<(u32, u32, u32, u32)>,
}

impl Siecle {
    pub fn new(school: u32) -> Self {
        Self { school, year: 2026, day: 2, pupils: vec![], persons: vec![], links: vec![] }
    }

    pub fn on(mut self, day: u32) -> Self {
        self.day = day;
        self
    }

    pub fn with(mut self, pupil: Pupil) -> Self {
        self.pupils.push(pupil);
        self
    }

    pub fn person(mut self, person: Person) -> Self {
        self.persons.push(person);
        self
    }

    /// A mother, legal guardian.
    pub fn mother(self, pupil: u32, person: u32) -> Self {
        self.link(pupil, person, 1, 10)
    }

    pub fn link(mut self, pupil: u32, person: u32, level: u32, relationship: u32) -> Self {
        self.links.push((pupil, person, level, relationship));
        self
    }

    fn head(&self) -> String {
        format!(
            "<PARAMETRES><UAJ>{}</UAJ><ANNEE_SCOLAIRE>{}</ANNEE_SCOLAIRE><DATE_EXPORT>{:02}/09/{}</DATE_EXPORT>\
             <HORODATAGE>{:02}/09/{} 06:30:00</HORODATAGE></PARAMETRES>\n",
            uai(self.school),
            self.year,
            self.day,
            self.year,
            self.day,
            self.year
        )
    }

    fn pupils_xml(&self) -> String {
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-15\"?>\n<BEE_ELEVES VERSION=\"3.0\">\n{}<DONNEES><ELEVES>\n",
            self.head()
        );
        for pupil in &self.pupils {
            let Pupil { id, ine, family, given, birth, left, .. } = pupil;
            let _ = write!(
                xml,
                "<ELEVE ELEVE_ID=\"{id}\" ELENOET=\"{id}\"><NOM_DE_FAMILLE>{family}</NOM_DE_FAMILLE>\
                 <PRENOM>{given}</PRENOM><DATE_NAISS>{birth}</DATE_NAISS><CODE_SEXE>2</CODE_SEXE>"
            );
            if let Some(ine) = ine {
                let _ = write!(xml, "<INE_RNIE>{ine}</INE_RNIE>");
            }
            if let Some(left) = left {
                let _ = write!(xml, "<DATE_SORTIE>{left}</DATE_SORTIE>");
            }
            xml.push_str("</ELEVE>\n");
        }
        xml.push_str("</ELEVES><STRUCTURES>\n");
        for Pupil { id, class, .. } in &self.pupils {
            let _ = writeln!(
                xml,
                "<STRUCTURES_ELEVE ELEVE_ID=\"{id}\"><STRUCTURE><CODE_STRUCTURE>{class}</CODE_STRUCTURE>\
                 <TYPE_STRUCTURE>D</TYPE_STRUCTURE></STRUCTURE></STRUCTURES_ELEVE>"
            );
        }
        xml.push_str("</STRUCTURES></DONNEES></BEE_ELEVES>\n");
        xml
    }

    fn persons_xml(&self) -> String {
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-15\"?>\n<BEE_RESPONSABLES VERSION=\"2.1\">\n{}<DONNEES><PERSONNES>\n",
            self.head()
        );
        for Person { id, family, given, mobile } in &self.persons {
            let mobile = mobile.map(|number| format!("<TEL_PORTABLE>{number}</TEL_PORTABLE>")).unwrap_or_default();
            let given = if given.is_empty() { String::new() } else { format!("<PRENOM>{given}</PRENOM>") };
            let _ = writeln!(
                xml,
                "<PERSONNE PERSONNE_ID=\"{id}\"><LC_CIVILITE>MME</LC_CIVILITE><NOM_DE_FAMILLE>{family}</NOM_DE_FAMILLE>\
                 {given}{mobile}</PERSONNE>"
            );
        }
        xml.push_str("</PERSONNES><RESPONSABLES>\n");
        for (pupil, person, level, relationship) in &self.links {
            let _ = writeln!(
                xml,
                "<RESPONSABLE_ELEVE><ELEVE_ID>{pupil}</ELEVE_ID><PERSONNE_ID>{person}</PERSONNE_ID>\
                 <NIVEAU_RESPONSABILITE>{level}</NIVEAU_RESPONSABILITE><CODE_PARENTE>{relationship}</CODE_PARENTE>\
                 </RESPONSABLE_ELEVE>"
            );
        }
        xml.push_str("</RESPONSABLES></DONNEES></BEE_RESPONSABLES>\n");
        xml
    }

    /// Writes the two files.
    pub fn write(&self, folder: &Path) -> Vec<PathBuf> {
        let folder = folder.join(format!("{}-{}-{}", self.school, self.year, self.day));
        std::fs::create_dir_all(&folder).unwrap();
        let pupils = folder.join("ElevesAvecAdresses.xml");
        std::fs::write(&pupils, self.pupils_xml()).unwrap();
        let persons = folder.join("ResponsablesAvecAdresses.xml");
        std::fs::write(&persons, self.persons_xml()).unwrap();
        vec![pupils, persons]
    }
}
