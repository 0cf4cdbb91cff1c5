//! Where the wanted columns of a file are. Headers are compared folded.

use csv::StringRecord;

use crate::error::{FileError, FileReason};

use super::table::Table;

/// A column: its folded header and how to call it in messages.
pub(crate) type Column = (&'static str, &'static str);

fn find(table: &Table, (folded, _): Column) -> Option<usize> {
    table.header().iter().position(|name| name == folded)
}

fn require(table: &Table, column: Column) -> Result<usize, FileError> {
    find(table, column).ok_or_else(|| FileError::at(table.file(), (1, 1), FileReason::MissingColumn(column.1)))
}

/// The trimmed value in a column, unless absent or empty.
pub(crate) fn value(row: &StringRecord, column: Option<usize>) -> Option<&str> {
    let value = row.get(column?)?.trim();
    (!value.is_empty()).then_some(value)
}

/// Columns of the file of pupils.
pub(crate) struct PupilColumns {
    pub(crate) family_name: usize,
    pub(crate) usage_name: Option<usize>,
    pub(crate) given_name: usize,
    pub(crate) birth_date: usize,
    pub(crate) sex: Option<usize>,
    pub(crate) ine: usize,
    pub(crate) level: Option<usize>,
    pub(crate) class: Option<usize>,
    pub(crate) width: usize,
}

impl PupilColumns {
    pub(crate) fn find(table: &Table) -> Result<Self, FileError> {
        Ok(Self {
            family_name: require(table, ("nom eleve", "Nom élève"))?,
            usage_name: find(table, ("nom d usage eleve", "Nom d'usage élève")),
            given_name: require(table, ("prenom eleve", "Prénom élève"))?,
            birth_date: require(table, ("date naissance", "Date naissance"))?,
            sex: find(table, ("sexe", "Sexe")),
            ine: require(table, ("ine", "INE"))?,
            level: find(table, ("niveau", "Niveau")),
            class: find(table, ("libelle classe", "Libellé classe")),
            width: table.header().len(),
        })
    }
}

/// Columns of the file of guardians.
pub(crate) struct GuardianColumns {
    pub(crate) title: Option<usize>,
    pub(crate) usage_name: Option<usize>,
    pub(crate) family_name: usize,
    pub(crate) given_name: usize,
    pub(crate) address: Option<usize>,
    pub(crate) postcode: Option<usize>,
    pub(crate) email: Option<usize>,
    pub(crate) home_phone: Option<usize>,
    pub(crate) work_phone: Option<usize>,
    pub(crate) mobile: Option<usize>,
    children: ChildColumns,
}

/// The repeated columns: where the first group begins and how each group is laid out.
struct ChildColumns {
    start: usize,
    width: usize,
    usage_name: Option<usize>,
    family_name: usize,
    given_name: usize,
    class: Option<usize>,
}

/// A child as a guardian's row names them.
#[derive(Clone, Copy)]
pub(crate) struct Child<'a> {
    pub(crate) usage_name: Option<&'a str>,
    pub(crate) family_name: Option<&'a str>,
    pub(crate) given_name: Option<&'a str>,
    pub(crate) class: Option<&'a str>,
}

impl GuardianColumns {
    pub(crate) fn find(table: &Table) -> Result<Self, FileError> {
        Ok(Self {
            title: find(table, ("civilite responsable", "Civilité Responsable")),
            usage_name: find(table, ("nom usage responsable", "Nom usage responsable"))
                .or_else(|| find(table, ("nom d usage responsable", "Nom d'usage responsable"))),
            family_name: require(table, ("nom responsable", "Nom responsable"))?,
            given_name: require(table, ("prenom responsable", "Prénom responsable"))?,
            address: find(table, ("adresse responsable", "Adresse responsable")),
            postcode: find(table, ("cp responsable", "CP responsable")),
            email: find(table, ("courriel", "Courriel")),
            home_phone: find(table, ("telephone domicile", "Téléphone domicile")),
            work_phone: find(table, ("telephone travail", "Téléphone travail")),
            mobile: find(table, ("telephone portable", "Téléphone portable")),
            children: ChildColumns::find(table)?,
        })
    }

    /// The children a row names, in order. A row may hold more groups than the header.
    pub(crate) fn children<'a>(&self, row: &'a StringRecord) -> impl Iterator<Item = Child<'a>> {
        let columns = &self.children;
        let (start, width) = (columns.start, columns.width);
        let (usage, family) = (columns.usage_name, columns.family_name);
        let (given, class) = (columns.given_name, columns.class);
        (0..)
            .map(move |group| start + group * width)
            .take_while(move |base| *base < row.len())
            .map(move |base| {
                let at = |offset: usize| value(row, Some(base + offset));
                Child {
                    usage_name: usage.and_then(at),
                    family_name: at(family),
                    given_name: at(given),
                    class: class.and_then(at),
                }
            })
            .filter(|child| child.family_name.is_some() || child.usage_name.is_some() || child.given_name.is_some())
    }
}

impl ChildColumns {
    const USAGE: Column = ("nom d usage enfant", "Nom d'usage enfant");
    const FAMILY: Column = ("nom de famille enfant", "Nom de famille enfant");
    const GIVEN: Column = ("prenom enfant", "Prénom enfant");
    const CLASS: Column = ("classes enfants", "Classes enfants");

    fn find(table: &Table) -> Result<Self, FileError> {
        let family = require(table, Self::FAMILY)?;
        let given = require(table, Self::GIVEN)?;
        let usage = find(table, Self::USAGE);
        let class = find(table, Self::CLASS);
        let places = [Some(family), Some(given), usage, class];
        let start = places.iter().flatten().min().copied().unwrap_or(family);
        let within = |place: usize| place - start;
        Ok(Self {
            start,
            width: places.iter().flatten().count(),
            usage_name: usage.map(within),
            family_name: within(family),
            given_name: within(given),
            class: class.map(within),
        })
    }
}
