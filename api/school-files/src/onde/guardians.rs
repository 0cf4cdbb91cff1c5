//! Rows of the file of guardians.

use std::sync::Arc;

use csv::StringRecord;
use domain::identifiers::match_key;

use crate::contacts::Contacts;
use crate::error::FileError;
use crate::records::{Entry, GuardianRecord};
use crate::report::{Notice, Rejection, RejectionReason};
use crate::source::Source;
use crate::values;

use super::Context;
use super::columns::{GuardianColumns, value};
use super::index::{Index, Place};
use super::table::Table;

/// A guardian's row, understood.
pub(super) struct GuardianRow {
    pub(super) title: Option<String>,
    pub(super) family_name: String,
    pub(super) usage_name: Option<String>,
    pub(super) given_name: String,
    pub(super) contacts: Contacts,
}

impl GuardianRow {
    pub(super) fn read(
        row: &StringRecord,
        columns: &GuardianColumns,
        context: &Context,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, RejectionReason> {
        let at_birth = values::name("Nom responsable", value(row, Some(columns.family_name)))?;
        let usage = values::name("Nom usage responsable", value(row, columns.usage_name))?;
        if at_birth.is_none() && usage.is_some() {
            notices.push(Notice::UsageNameOnly);
        }
        let family_name = at_birth.or_else(|| usage.clone()).ok_or(RejectionReason::Missing("Nom responsable"))?;
        let given_name = values::name("Prénom responsable", value(row, Some(columns.given_name)))?
            .ok_or(RejectionReason::Missing("Prénom responsable"))?;
        let mut contacts = Contacts::new(context.academie);
        contacts.mobile("Téléphone portable", value(row, columns.mobile), notices);
        contacts.other("Téléphone domicile", value(row, columns.home_phone), notices);
        contacts.other("Téléphone travail", value(row, columns.work_phone), notices);
        contacts.email("Courriel", value(row, columns.email), notices);
        Ok(Self {
            title: value(row, columns.title).map(str::to_uppercase),
            usage_name: usage.filter(|name| *name != family_name),
            family_name,
            given_name,
            contacts,
        })
    }

    /// What makes two rows bear the same name.
    pub(super) fn name_key(&self) -> String {
        format!("{}|{}", match_key(&self.family_name), match_key(&self.given_name))
    }
}

/// Reads the guardians of an export, each person once, at their first row.
pub(crate) struct GuardianReader {
    table: Table,
    columns: GuardianColumns,
    index: Arc<Index>,
    context: Context,
    next: u64,
    from: u64,
}

impl GuardianReader {
    pub(crate) fn open(source: &Source, index: Arc<Index>, context: Context, from: u64) -> Result<Self, FileError> {
        let table = Table::open(source)?;
        let columns = GuardianColumns::find(&table)?;
        Ok(Self { table, columns, index, context, next: 0, from })
    }

    /// The next person; nothing at the end.
    pub(crate) fn advance(&mut self) -> Result<Option<Entry<GuardianRecord>>, FileError> {
        while self.table.next()? {
            let ordinal = self.next;
            self.next += 1;
            if ordinal >= self.from
                && let Some(entry) = self.entry(ordinal)
            {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// The person whose first row this is, or why the row is refused; nothing for a further row.
    fn entry(&self, ordinal: u64) -> Option<Entry<GuardianRecord>> {
        let place = self.index.place_of(ordinal);
        if matches!(place, Some(Place { first: false, .. })) {
            return None;
        }
        let line = self.table.line();
        let mut notices = Vec::new();
        let read = GuardianRow::read(self.table.row(), &self.columns, &self.context, &mut notices);
        let outcome = match (read, place) {
            (Ok(row), Some(place)) => Ok(self.record(row, place, &mut notices)),
            // The row was readable when the index was built, or it would have no place.
            (Ok(_), None) => Err(RejectionReason::Missing("Nom responsable")),
            (Err(reason), _) => Err(reason),
        };
        let outcome = outcome.map_err(|reason| Rejection {
            file: self.table.file().to_owned(),
            line,
            record: "guardian".into(),
            reason,
            ine: None,
        });
        Some(Entry { ordinal, line, outcome, notices })
    }

    fn record(&self, row: GuardianRow, place: Place, notices: &mut Vec<Notice>) -> GuardianRecord {
        let person = self.index.person(place.person);
        let name_key = self.context.guardian_key(self.context.digest("name", &[&row.name_key()]));
        let mut contacts = row.contacts;
        for further in &person.further_contacts {
            match (&contacts.mobile, &further.mobile) {
                (None, mobile) => contacts.mobile.clone_from(mobile),
                (Some(first), Some(second)) if first != second => {
                    contacts.others.push(second.clone());
                }
                _ => {}
            }
            if contacts.email.is_none() {
                contacts.email.clone_from(&further.email);
            }
            contacts.others.extend(further.others.iter().cloned());
        }
        contacts.others.sort();
        contacts.others.dedup();
        if person.rows > 1 {
            notices.push(Notice::MergedRecords(person.rows));
        }
        GuardianRecord {
            source_key: self.context.guardian_key(person.digest),
            name_key: Some(name_key),
            children: person.children.iter().filter_map(|pupil| self.index.pupil_key(*pupil).cloned()).collect(),
            title: row.title,
            family_name: row.family_name,
            usage_name: row.usage_name,
            given_name: row.given_name,
            mobile: contacts.mobile,
            other_phones: contacts.others,
            email: contacts.email,
            accepts_sms: None,
            has_level1: !person.children.is_empty(),
        }
    }
}
