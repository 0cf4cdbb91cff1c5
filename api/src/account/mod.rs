//! What a person is told of themselves: `/account/history` and `/account/data`.
//!
//! Both show what [`Sight`] lets through, and nothing else: their own account, the records behind it, and of each child
//! that they confirmed and are a legal guardian of now what its schools said since. Of another guardian, never anything.

mod data;
mod download;
mod history;
mod sight;
#[cfg(test)]
mod tests;

pub use data::{DataPage, PATH as DATA_PATH, data};
pub use download::{DownloadPage, HTML as DOWNLOAD_HTML, JSON as DOWNLOAD_JSON, html, json};
pub use history::{HistoryPage, PATH as HISTORY_PATH, history};
pub use sight::Sight;
