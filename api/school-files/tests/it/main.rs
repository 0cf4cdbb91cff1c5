//! Reading of exports, on files written byte by byte.

mod bad_files;
mod onde;
mod samples;
mod siecle;
mod support;
