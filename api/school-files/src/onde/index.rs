//! Joining the two files, which share no identifier.
//!
//! A child is found by surname and first name, and by class among homonyms. What finds none or
//! several is held, never guessed; refused pupils count among those that could be meant. Rows of
//! one name are one person when they share a child or a contact.

use std::collections::{HashMap, HashSet};
use std::fmt;

use domain::identifiers::{PupilKey, match_key};

use crate::contacts::Contacts;
use crate::error::FileError;
use crate::records::{HeldLink, HeldReason};
use crate::source::Source;

use super::Context;
use super::columns::{Child, GuardianColumns, PupilColumns, value};
use super::guardians::GuardianRow;
use super::pupils;
use super::table::Table;

/// What is kept of a pupil.
struct Pupil {
    /// Absent for a refused one, who can be meant but not linked.
    key: Option<PupilKey>,
    class: String,
}

/// A person of the file of guardians.
pub(super) struct Person {
    /// Digest of the key.
    pub(super) digest: [u8; 16],
    /// Rows that describe the person.
    pub(super) rows: usize,
    /// Ordinals of the children linked.
    pub(super) children: Vec<u32>,
    /// Contacts of rows after the first.
    pub(super) further_contacts: Vec<Contacts>,
}

/// Where a row of guardians stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) person: u32,
    pub(super) first: bool,
}

/// The joins of one export.
pub(crate) struct Index {
    pupils: Vec<Pupil>,
    by_name: HashMap<String, Vec<u32>>,
    repeated: HashMap<u64, &'static str>,
    places: Vec<Option<Place>>,
    persons: Vec<Person>,
    links: Vec<(u32, u32)>,
    held: Vec<HeldLink>,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("pupils", &self.pupils.len())
            .field("guardians", &self.places.len())
            .finish_non_exhaustive()
    }
}

/// A row of guardians while rows are still being put together.
struct RawRow {
    name: String,
    /// Strength of the key and the key: the strongest of a person's rows names the person.
    key: (u8, [u8; 16]),
    tokens: Vec<u64>,
    children: Vec<u32>,
    held: Vec<HeldLink>,
    ordinal: u32,
}

impl Index {
    /// Reads both files whole; any fault of either refuses the export.
    pub(crate) fn build(pupils: &Source, guardians: &Source, context: &Context) -> Result<Self, FileError> {
        let mut index = Self {
            pupils: Vec::new(),
            by_name: HashMap::new(),
            repeated: HashMap::new(),
            places: Vec::new(),
            persons: Vec::new(),
            links: Vec::new(),
            held: Vec::new(),
        };
        index.read_pupils(pupils, context)?;
        let rows = index.read_guardians(guardians, context)?;
        let groups = group(&rows);
        index.settle(rows, &groups, context);
        index.read_further_contacts(guardians, context)?;
        index.by_name = HashMap::new();
        Ok(index)
    }

    fn read_pupils(&mut self, source: &Source, context: &Context) -> Result<(), FileError> {
        let mut table = Table::open(source)?;
        let columns = PupilColumns::find(&table)?;
        let mut seen = HashSet::new();
        while table.next()? {
            let row = table.row();
            let ordinal = self.pupils.len();
            let record = pupils::read_row(row, &columns, context, &mut Vec::new()).ok();
            let mut key = record.map(|record| record.source_id);
            if let Some(known) = &key
                && !seen.insert(known.clone())
            {
                self.repeated.insert(ordinal as u64, "INE, or name and date of birth");
                key = None;
            }
            let given = value(row, Some(columns.given_name)).unwrap_or_default();
            let given = given.split(',').next().unwrap_or_default();
            let number = u32::try_from(ordinal).unwrap_or(u32::MAX);
            let family = value(row, Some(columns.family_name)).unwrap_or_default();
            let usage = value(row, columns.usage_name).unwrap_or_default();
            // A repeated row is no second child of that name: its first is in the index.
            if !self.repeated.contains_key(&(ordinal as u64)) {
                self.note_name('f', family, given, number);
                self.note_name('u', usage, given, number);
            }
            let class = match_key(value(row, columns.class).unwrap_or_default());
            self.pupils.push(Pupil { key, class });
        }
        Ok(())
    }

    fn note_name(&mut self, which: char, surname: &str, given: &str, pupil: u32) {
        if let Some(key) = child_key(which, surname, given) {
            self.by_name.entry(key).or_default().push(pupil);
        }
    }

    fn read_guardians(&mut self, source: &Source, context: &Context) -> Result<Vec<RawRow>, FileError> {
        let mut table = Table::open(source)?;
        let columns = GuardianColumns::find(&table)?;
        let mut rows = Vec::new();
        while table.next()? {
            let ordinal = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            self.places.push(None);
            let row = table.row();
            let Ok(read) = GuardianRow::read(row, &columns, context, &mut Vec::new()) else {
                continue;
            };
            let mut raw = describe(&read, row, &columns, context, ordinal);
            for child in columns.children(row) {
                let meant = self.meant(child);
                match meant.as_slice() {
                    [one] if self.pupils[*one as usize].key.is_some() => {
                        if !raw.children.contains(one) {
                            raw.children.push(*one);
                            raw.tokens.push(context.token(&["child", &one.to_string()]));
                        }
                    }
                    several => raw.held.push(self.hold(child, several, table.line(), context)),
                }
            }
            rows.push(raw);
        }
        Ok(rows)
    }

    /// The pupils a child named in a guardian's row could be.
    fn meant(&self, child: Child<'_>) -> Vec<u32> {
        let given = child.given_name.unwrap_or_default();
        let given = given.split(',').next().unwrap_or_default();
        let key = match (child.family_name, child.usage_name) {
            (Some(family), _) => child_key('f', family, given),
            (None, Some(usage)) => child_key('u', usage, given),
            (None, None) => None,
        };
        let mut meant = key.and_then(|key| self.by_name.get(&key).cloned()).unwrap_or_default();
        if meant.len() > 1
            && let Some(class) = child.class.map(match_key)
        {
            let same: Vec<u32> =
                meant.iter().copied().filter(|pupil| self.pupils[*pupil as usize].class == class).collect();
            if same.len() == 1 {
                meant = same;
            }
        }
        meant
    }

    fn hold(&self, child: Child<'_>, meant: &[u32], line: u64, context: &Context) -> HeldLink {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        HeldLink {
            // Set when the row's person is known.
            guardian: context.guardian_key([0; 16]),
            child_family_name: owned(child.family_name).unwrap_or_default(),
            child_usage_name: owned(child.usage_name),
            child_given_name: owned(child.given_name).unwrap_or_default(),
            class: owned(child.class),
            candidates: meant.iter().filter_map(|pupil| self.pupils[*pupil as usize].key.clone()).collect(),
            reason: if meant.is_empty() { HeldReason::NoSuchPupil } else { HeldReason::Ambiguous },
            line,
        }
    }

    /// Makes persons of grouped rows.
    fn settle(&mut self, rows: Vec<RawRow>, groups: &[usize], context: &Context) {
        let mut keys: HashMap<usize, (u8, [u8; 16])> = HashMap::new();
        for (row, group) in rows.iter().zip(groups) {
            let key = keys.entry(*group).or_insert(row.key);
            *key = row.key.min(*key);
        }
        let mut persons: HashMap<usize, u32> = HashMap::new();
        for (row, group) in rows.into_iter().zip(groups) {
            let digest = keys[group].1;
            let first = !persons.contains_key(group);
            let number = *persons.entry(*group).or_insert_with(|| {
                self.persons.push(Person { digest, rows: 0, children: Vec::new(), further_contacts: Vec::new() });
                u32::try_from(self.persons.len() - 1).unwrap_or(u32::MAX)
            });
            self.places[row.ordinal as usize] = Some(Place { person: number, first });
            let person = &mut self.persons[number as usize];
            person.rows += 1;
            for child in row.children {
                if !person.children.contains(&child) {
                    person.children.push(child);
                    self.links.push((child, number));
                }
            }
            for mut held in row.held {
                held.guardian = context.guardian_key(digest);
                if !self.held.iter().rev().take_while(|other| other.guardian == held.guardian).any(|other| {
                    // Told again by another row of the same person; two of one row are two children.
                    other.line != held.line
                        && other.child_family_name == held.child_family_name
                        && other.child_given_name == held.child_given_name
                }) {
                    self.held.push(held);
                }
            }
        }
        self.links.sort_unstable();
    }

    /// Reads again the contacts of rows after a person's first, if there are any.
    fn read_further_contacts(&mut self, source: &Source, context: &Context) -> Result<(), FileError> {
        if self.persons.iter().all(|person| person.rows == 1) {
            return Ok(());
        }
        let mut table = Table::open(source)?;
        let columns = GuardianColumns::find(&table)?;
        let mut ordinal = 0;
        while table.next()? {
            let place = self.places.get(ordinal).copied().flatten();
            ordinal += 1;
            if let Some(Place { person, first: false }) = place
                && let Ok(row) = GuardianRow::read(table.row(), &columns, context, &mut Vec::new())
            {
                self.persons[person as usize].further_contacts.push(row.contacts);
            }
        }
        Ok(())
    }

    pub(crate) fn pupil_rows(&self) -> u64 {
        self.pupils.len() as u64
    }

    pub(crate) fn guardian_rows(&self) -> u64 {
        self.places.len() as u64
    }

    pub(crate) fn held(&self) -> &[HeldLink] {
        &self.held
    }

    /// The identifier that the pupil of this ordinal repeats.
    pub(super) fn repeated(&self, ordinal: u64) -> Option<&'static str> {
        self.repeated.get(&ordinal).copied()
    }

    pub(super) fn pupil_key(&self, ordinal: u32) -> Option<&PupilKey> {
        self.pupils.get(ordinal as usize)?.key.as_ref()
    }

    /// Digests of the guardians of a pupil.
    pub(super) fn guardians_of(&self, ordinal: u64) -> impl Iterator<Item = [u8; 16]> {
        let start = self.links.partition_point(|(pupil, _)| u64::from(*pupil) < ordinal);
        self.links[start..]
            .iter()
            .take_while(move |(pupil, _)| u64::from(*pupil) == ordinal)
            .map(|(_, person)| self.persons[*person as usize].digest)
    }

    pub(super) fn place_of(&self, ordinal: u64) -> Option<Place> {
        self.places.get(usize::try_from(ordinal).ok()?).copied().flatten()
    }

    pub(super) fn person(&self, number: u32) -> &Person {
        &self.persons[number as usize]
    }
}

/// Key of a child's names; `which` tells the name at birth from the one in use.
fn child_key(which: char, surname: &str, given: &str) -> Option<String> {
    let (surname, given) = (match_key(surname), match_key(given));
    (!surname.is_empty() && !given.is_empty()).then(|| format!("{which}|{surname}|{given}"))
}

/// The strongest key of a row and everything that shows another row to be the same person.
fn describe(
    read: &GuardianRow,
    row: &csv::StringRecord,
    columns: &GuardianColumns,
    context: &Context,
    ordinal: u32,
) -> RawRow {
    let name = read.name_key();
    let contacts = &read.contacts;
    let address = format!(
        "{} {}",
        match_key(value(row, columns.address).unwrap_or_default()),
        value(row, columns.postcode).unwrap_or_default(),
    );
    let mut evidence: Vec<(u8, &str)> = Vec::new();
    evidence.extend(contacts.mobile.as_ref().map(|phone| (0, phone.as_str())));
    evidence.extend(contacts.email.as_deref().map(|email| (1, email)));
    evidence.extend(contacts.others.iter().map(|phone| (2, phone.as_str())));
    if address.len() > 1 {
        evidence.push((3, &address));
    }
    let children: Vec<String> = columns
        .children(row)
        .filter_map(|child| child_key('f', child.family_name.or(child.usage_name)?, child.given_name?))
        .collect();
    evidence.extend(children.iter().map(|child| (4, child.as_str())));
    let key = evidence
        .iter()
        .map(|(strength, what)| (*strength, context.digest("guardian", &[&name, &strength.to_string(), what])))
        .min()
        .unwrap_or_else(|| (5, context.digest("guardian", &[&name])));
    // Naming a child alike proves nothing: namesakes may have children that are namesakes too. A
    // child that was found counts, and is added by the caller. Rows with one key cannot be told
    // apart at all.
    let mut tokens: Vec<u64> = evidence
        .iter()
        .filter(|(strength, _)| *strength < 4)
        .map(|(strength, what)| {
            // A number is the same number in whichever column it stands.
            let kind = if *strength == 2 { 0 } else { *strength };
            context.token(&[&kind.to_string(), what])
        })
        .collect();
    tokens.push(context.token(&["key", &format!("{:032x}", u128::from_be_bytes(key.1))]));
    RawRow { name, key, tokens, children: Vec::new(), held: Vec::new(), ordinal }
}

/// For each row the first row of the same person.
fn group(rows: &[RawRow]) -> Vec<usize> {
    let mut leader: Vec<usize> = (0..rows.len()).collect();
    let mut bearers: HashMap<(&str, u64), usize> = HashMap::new();
    for (number, row) in rows.iter().enumerate() {
        for token in &row.tokens {
            let other = *bearers.entry((row.name.as_str(), *token)).or_insert(number);
            let (one, two) = (find(&mut leader, number), find(&mut leader, other));
            leader[one.max(two)] = one.min(two);
        }
    }
    (0..rows.len()).map(|number| find(&mut leader, number)).collect()
}

fn find(leader: &mut [usize], mut number: usize) -> usize {
    while leader[number] != number {
        leader[number] = leader[leader[number]];
        number = leader[number];
    }
    number
}
