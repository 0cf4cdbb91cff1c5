//! SIECLE (BEE) exports of collèges and lycées.

mod guardians;
mod head;
mod index;
mod pupils;

pub(crate) use guardians::GuardianReader;
pub(crate) use head::{Head, Kind};
pub(crate) use index::Index;
pub(crate) use pupils::PupilReader;
