//! PostgreSQL's binary COPY format: the cheapest way to take many rows in.

use futures::TryStreamExt;
use sqlx::PgPool;
use sqlx::postgres::PgPoolCopyExt;

/// Takes in the whole answer to a `COPY … TO STDOUT (FORMAT BINARY)`. A future dropped in the middle leaves a
/// connection that is of no more use: run it in a task of its own.
pub(crate) async fn copy_out(pool: &PgPool, statement: &str, into: &mut Vec<u8>) -> Result<(), sqlx::Error> {
    let mut messages = pool.copy_out_raw(statement).await?;
    while let Some(message) = messages.try_next().await? {
        into.extend_from_slice(&message);
    }
    Ok(())
}

/// Walks the fields of its rows.
pub(crate) struct Fields<'a> {
    pub bytes: &'a [u8],
    /// Where to read on.
    pub at: usize,
}

impl<'a> Fields<'a> {
    /// Skips the file header: signature, flags, extension.
    pub(crate) fn after_header(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = Self { bytes, at: 0 };
        if fields.take(11)? != b"PGCOPY\n\xff\r\n\0" {
            return None;
        }
        fields.take(4)?;
        let extension = fields.array().map(u32::from_be_bytes)?;
        fields.take(extension as usize)?;
        Some(fields)
    }

    /// Steps to the next row's first field, if the row has so many; `Some(None)` at the end.
    pub(crate) fn next_row(&mut self, columns: i16) -> Option<Option<usize>> {
        match i16::from_be_bytes(self.array()?) {
            -1 => Some(None),
            found if found == columns => Some(Some(self.at)),
            _ => None,
        }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn optional(&mut self) -> Option<Option<&'a [u8]>> {
        match i32::from_be_bytes(self.array()?) {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }

    pub(crate) fn field(&mut self) -> Option<&'a [u8]> {
        self.optional()?
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.field()?).ok()
    }

    pub(crate) fn optional_text(&mut self) -> Option<Option<&'a str>> {
        match self.optional()? {
            None => Some(None),
            Some(bytes) => std::str::from_utf8(bytes).ok().map(Some),
        }
    }

    pub(crate) fn number(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.field()?.try_into().ok()?))
    }
}
