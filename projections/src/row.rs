//! Rows of a view, read and written by the batch: one statement per table, whatever the number of rows.
//!
//! A batch of events touches a *working set* of each table ([`Table`]): the rows it may change are loaded by key,
//! changed in memory in the order of the events, and written back with one upsert and one delete.

use crate::writes::Writes;
use sqlx::FromRow;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use uuid::Uuid;

/// A row of a view. Implemented by [`row!`] only.
pub(crate) trait Row: for<'r> FromRow<'r, PgRow> + Send + Sync + Sized + Unpin + 'static {
    /// Primary key.
    type Key: Ord + Clone + Send + Sync + 'static;

    fn key(&self) -> Self::Key;

    /// What its statements are made from.
    const SHAPE: Shape;

    /// Adds one array for each column of the key.
    fn bind_keys(keys: Vec<Self::Key>, arguments: &mut PgArguments) -> Result<(), BoxDynError>;

    /// Adds one array for each column.
    fn bind_rows(rows: Vec<Self>, arguments: &mut PgArguments) -> Result<(), BoxDynError>;
}

/// Declares a row: its struct, its key and the SQL type of each column.
///
/// `Debug` prints the key only: rows hold personal data.
macro_rules! row {
    (
        $(#[$doc:meta])*
        $name:ident in $table:literal, key($($key:ident: $key_type:ty),+)
        { $($(#[$field_doc:meta])* $field:ident: $type:ty => $sql:literal),+ $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, sqlx::FromRow)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type),+ }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($key), &self.$key))+.finish_non_exhaustive()
            }
        }

        impl $crate::row::Row for $name {
            type Key = ($($key_type,)+);

            const SHAPE: $crate::row::Shape = $crate::row::Shape {
                table: $table,
                columns: &[$((stringify!($field), $sql)),+],
                key: &[$(stringify!($key)),+],
            };

            fn key(&self) -> Self::Key {
                ($(self.$key.clone(),)+)
            }

            fn bind_keys(
                keys: Vec<Self::Key>,
                arguments: &mut sqlx::postgres::PgArguments,
            ) -> Result<(), sqlx::error::BoxDynError> {
                struct Keys { $($key: Vec<$key_type>),+ }
                let mut columns = Keys { $($key: Vec::with_capacity(keys.len())),+ };
                for ($($key,)+) in keys {
                    $(columns.$key.push($key);)+
                }
                $(sqlx::Arguments::add(arguments, columns.$key)?;)+
                Ok(())
            }

            fn bind_rows(
                rows: Vec<Self>,
                arguments: &mut sqlx::postgres::PgArguments,
            ) -> Result<(), sqlx::error::BoxDynError> {
                struct Columns { $($field: Vec<$type>),+ }
                let mut columns = Columns { $($field: Vec::with_capacity(rows.len())),+ };
                for row in rows {
                    $(columns.$field.push(row.$field);)+
                }
                $(sqlx::Arguments::add(arguments, columns.$field)?;)+
                Ok(())
            }
        }
    };
}
pub(crate) use row;

/// What the statements of a table are made from.
pub(crate) struct Shape {
    pub table: &'static str,
    /// Name and SQL type.
    pub columns: &'static [(&'static str, &'static str)],
    pub key: &'static [&'static str],
}

impl Shape {
    fn key_columns(&self) -> impl Iterator<Item = &(&'static str, &'static str)> {
        self.key.iter().filter_map(|key| self.columns.iter().find(|(column, _)| column == key))
    }

    /// The rows with these keys, through the primary key's index.
    pub(crate) fn load(&self) -> String {
        let columns = list(self.columns.iter().map(|(column, _)| format!("t.{column}")));
        let (keys, arrays) = (self.key.join(", "), unnest(self.key_columns(), 1));
        format!("SELECT {columns} FROM {arrays} AS k ({keys}) JOIN {} AS t USING ({keys})", self.table)
    }

    /// Writes whole rows; parameters are numbered from `first` on.
    pub(crate) fn upsert(&self, first: usize, condition: Option<&str>) -> String {
        let columns = list(self.columns.iter().map(|(column, _)| *column));
        let arrays = unnest(self.columns.iter(), first);
        let changes = self.columns.iter().filter(|(column, _)| !self.key.contains(column));
        let changes = list(changes.map(|(column, _)| format!("{column} = excluded.{column}")));
        let on_conflict = if changes.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {changes}") };
        let (table, keys) = (self.table, self.key.join(", "));
        // Without a WHERE, ON CONFLICT would be taken for the condition of a join.
        let condition = condition.unwrap_or("true");
        format!(
            "INSERT INTO {table} ({columns}) SELECT * FROM {arrays} WHERE {condition} \
             ON CONFLICT ({keys}) DO {on_conflict}"
        )
    }

    /// Deletes the rows with these keys.
    pub(crate) fn delete(&self, first: usize, condition: Option<&str>) -> String {
        let (keys, arrays) = (self.key.join(", "), unnest(self.key_columns(), first));
        let same = self.key.iter().map(|key| format!("t.{key} = k.{key}")).collect::<Vec<_>>().join(" AND ");
        let condition = condition.unwrap_or("true");
        format!("DELETE FROM {} AS t USING {arrays} AS k ({keys}) WHERE {same} AND {condition}", self.table)
    }

    /// Deletes the rows with one of these ids in a column.
    pub(crate) fn purge(&self, column: &str, first: usize, condition: Option<&str>) -> String {
        let condition = condition.unwrap_or("true");
        format!("DELETE FROM {} WHERE {column} = ANY(${first}::uuid[]) AND {condition}", self.table)
    }
}

fn list(parts: impl Iterator<Item = impl AsRef<str>>) -> String {
    parts.enumerate().fold(String::new(), |mut joined, (index, part)| {
        joined.push_str(if index == 0 { "" } else { ", " });
        joined.push_str(part.as_ref());
        joined
    })
}

fn unnest<'a>(columns: impl Iterator<Item = &'a (&'static str, &'static str)>, first: usize) -> String {
    let mut arrays = String::from("UNNEST(");
    for (index, (_, sql_type)) in columns.enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a String can't fail.
        let _ = write!(arrays, "{comma}${}::{sql_type}[]", first + index);
    }
    arrays.push(')');
    arrays
}

/// The rows of one table that a batch touches.
pub(crate) struct Table<R: Row> {
    slots: BTreeMap<R::Key, Slot<R>>,
    /// Rows that go wholesale, before any is written: those with one of these ids in a column.
    purged: BTreeMap<&'static str, Vec<Uuid>>,
}

enum Slot<R> {
    /// To be loaded.
    Wanted,
    /// As in the database.
    Clean(R),
    /// Not in the database.
    Absent,
    /// To be written.
    Changed(R),
    /// To be deleted.
    Removed,
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self { slots: BTreeMap::new(), purged: BTreeMap::new() }
    }
}

impl<R: Row> Table<R> {
    /// Asks for a row to be loaded before the batch is applied.
    pub(crate) fn want(&mut self, key: R::Key) {
        self.slots.entry(key).or_insert(Slot::Wanted);
    }

    /// Loads what was asked for.
    pub(crate) async fn load(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let wanted = self.slots.iter().filter(|(_, slot)| matches!(slot, Slot::Wanted));
        let wanted: Vec<R::Key> = wanted.map(|(key, _)| key.clone()).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut keys = PgArguments::default();
        R::bind_keys(wanted, &mut keys).map_err(sqlx::Error::Encode)?;
        for row in sqlx::query_as_with::<_, R, _>(&R::SHAPE.load(), keys).fetch_all(connection).await? {
            self.slots.insert(row.key(), Slot::Clean(row));
        }
        for slot in self.slots.values_mut() {
            if matches!(slot, Slot::Wanted) {
                *slot = Slot::Absent;
            }
        }
        Ok(())
    }

    /// The row to change; `None` where there is none. It must have been asked for, or put by the same batch.
    pub(crate) fn change(&mut self, key: &R::Key) -> Option<&mut R> {
        let slot = self.slots.get_mut(key)?;
        *slot = match std::mem::replace(slot, Slot::Absent) {
            Slot::Clean(row) | Slot::Changed(row) => Slot::Changed(row),
            unchanged @ (Slot::Wanted | Slot::Absent | Slot::Removed) => unchanged,
        };
        match slot {
            Slot::Changed(row) => Some(row),
            Slot::Wanted | Slot::Clean(_) | Slot::Absent | Slot::Removed => None,
        }
    }

    /// The row as it stands; replaces the one with the same key.
    pub(crate) fn put(&mut self, row: R) {
        self.slots.insert(row.key(), Slot::Changed(row));
    }

    /// Removes the row, if there is one.
    pub(crate) fn remove(&mut self, key: R::Key) {
        self.slots.insert(key, Slot::Removed);
    }

    /// Removes every row with this id in a column, loaded or not; `is` says whether a key has it. Rows put afterwards
    /// stay.
    pub(crate) fn purge(&mut self, column: &'static str, id: Uuid, is: impl Fn(&R::Key) -> bool) {
        self.slots.retain(|key, _| !is(key));
        self.purged.entry(column).or_default().push(id);
    }

    /// Adds what changed to what is to be written.
    pub(crate) fn write(self, writes: &mut Writes) {
        for (column, ids) in self.purged {
            writes.purge::<R>(column, ids);
        }
        let (mut changed, mut removed) = (Vec::new(), Vec::new());
        for (key, slot) in self.slots {
            match slot {
                Slot::Changed(row) => changed.push(row),
                Slot::Removed => removed.push(key),
                Slot::Wanted | Slot::Clean(_) | Slot::Absent => {}
            }
        }
        if !removed.is_empty() {
            writes.delete::<R>(removed);
        }
        if !changed.is_empty() {
            writes.upsert(changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;

    const LINK: Shape = Shape {
        table: "link",
        columns: &[("pupil", "uuid"), ("guardian", "uuid"), ("level", "int2")],
        key: &["pupil", "guardian"],
    };

    #[test]
    fn statements_name_every_column_and_only_the_key_decides() {
        assert_eq!(
            LINK.load(),
            "SELECT t.pupil, t.guardian, t.level FROM UNNEST($1::uuid[], $2::uuid[]) AS k (pupil, guardian) \
             JOIN link AS t USING (pupil, guardian)"
        );
        assert_eq!(
            LINK.upsert(4, Some("EXISTS (SELECT FROM moved)")),
            "INSERT INTO link (pupil, guardian, level) SELECT * FROM UNNEST($4::uuid[], $5::uuid[], $6::int2[]) \
             WHERE EXISTS (SELECT FROM moved) ON CONFLICT (pupil, guardian) DO UPDATE SET level = excluded.level"
        );
        assert_eq!(
            LINK.delete(1, None),
            "DELETE FROM link AS t USING UNNEST($1::uuid[], $2::uuid[]) AS k (pupil, guardian) \
             WHERE t.pupil = k.pupil AND t.guardian = k.guardian AND true"
        );
    }

    #[test]
    fn a_table_that_is_all_key_has_nothing_to_update() {
        let timeline = Shape {
            table: "timeline",
            columns: &[("entity", "text"), ("position", "int8")],
            key: &["entity", "position"],
        };
        assert!(timeline.upsert(1, None).ends_with("ON CONFLICT (entity, position) DO NOTHING"));
    }
}
