//! What a batch writes, collected before anything is written: mostly it all fits one statement.

use crate::batch::BatchError;
use crate::projection::Name;
use crate::row::{Row, Shape};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Arguments, query_scalar_with, query_with};
use uuid::Uuid;

/// The changes of one batch to a view's tables, in order.
#[derive(Default)]
pub(crate) struct Writes(Vec<Write>);

/// One change to one table.
struct Write {
    shape: &'static Shape,
    what: What,
    /// Adds what the statement's parameters stand for.
    bind: Bind,
}

type Bind = Box<dyn FnOnce(&mut PgArguments) -> Result<(), BoxDynError> + Send>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// Rows with one of these ids in a column.
    Purge(&'static str),
    Delete,
    Upsert,
}

/// The part of a statement that runs only where the checkpoint could be moved.
const IF_MOVED: &str = "EXISTS (SELECT FROM moved)";

impl Writes {
    pub(crate) fn purge<R: Row>(&mut self, column: &'static str, ids: Vec<Uuid>) {
        self.push::<R>(What::Purge(column), move |arguments| arguments.add(ids));
    }

    pub(crate) fn delete<R: Row>(&mut self, keys: Vec<R::Key>) {
        self.push::<R>(What::Delete, move |arguments| R::bind_keys(keys, arguments));
    }

    pub(crate) fn upsert<R: Row>(&mut self, rows: Vec<R>) {
        self.push::<R>(What::Upsert, move |arguments| R::bind_rows(rows, arguments));
    }

    fn push<R: Row>(
        &mut self,
        what: What,
        bind: impl FnOnce(&mut PgArguments) -> Result<(), BoxDynError> + Send + 'static,
    ) {
        self.0.push(Write { shape: &R::SHAPE, what, bind: Box::new(bind) });
    }

    /// Whether one statement can hold them: its parts see the tables as they were before it and run in no order, so
    /// there may be only one for each table.
    pub(crate) fn fit_one_statement(&self) -> bool {
        let tables = || self.0.iter().map(|write| write.shape.table);
        tables().enumerate().all(|(index, table)| !tables().skip(index + 1).any(|other| other == table))
    }

    /// Writes them one after the other, within the caller's transaction.
    pub(crate) async fn run(self, connection: &mut PgConnection) -> sqlx::Result<()> {
        for write in self.0 {
            let sql = write.sql(1, None);
            let mut arguments = PgArguments::default();
            (write.bind)(&mut arguments).map_err(sqlx::Error::Encode)?;
            query_with(&sql, arguments).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Writes them and moves the checkpoint from `first` to `next`, all in one statement, which is whole by itself and
    /// takes one round trip. They must [fit](Self::fit_one_statement).
    pub(crate) async fn run_with_checkpoint(
        self,
        connection: &mut PgConnection,
        name: Name,
        first: u64,
        next: u64,
    ) -> Result<(), BatchError> {
        let mut arguments = PgArguments::default();
        let mut sql = "WITH moved AS \
             (UPDATE checkpoint SET next = $2 WHERE next = $1 AND version = $3 RETURNING next)"
            .to_owned();
        let checkpoint = arguments.add(first.cast_signed());
        let checkpoint = checkpoint.and_then(|()| arguments.add(next.cast_signed()));
        checkpoint.and_then(|()| arguments.add(name.version())).map_err(sqlx::Error::Encode)?;
        for (index, write) in self.0.into_iter().enumerate() {
            let part = write.sql(arguments.len() + 1, Some(IF_MOVED));
            sql.push_str(&format!(", write_{index} AS ({part})"));
            (write.bind)(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        sql.push_str(" SELECT count(*) FROM moved");
        let moved: i64 = query_scalar_with(&sql, arguments).fetch_one(connection).await?;
        if moved == 1 { Ok(()) } else { Err(BatchError::Moved) }
    }
}

impl Write {
    /// Its statement, with parameters numbered from `first` on.
    fn sql(&self, first: usize, condition: Option<&str>) -> String {
        match self.what {
            What::Purge(column) => self.shape.purge(column, first, condition),
            What::Delete => self.shape.delete(first, condition),
            What::Upsert => self.shape.upsert(first, condition),
        }
    }
}
