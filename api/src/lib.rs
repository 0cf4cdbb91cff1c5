//! The service: pages, OpenID provider, import and delivery; and the commands of the program `matricule`.
//!
//! Start reading at [`router`], the table of contents.

pub mod access;
pub mod account;
pub mod activation;
pub mod app;
pub mod audit;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod erasure;
pub mod headers;
pub mod import;
pub mod incident;
pub mod limits;
pub mod listen;
pub mod manifest;
pub mod oidc;
pub mod openapi;
pub mod outbound;
pub mod pages;
pub mod password;
pub mod proof;
pub mod reset;
pub mod router;
pub mod running;
pub mod session;
pub mod testing;
pub mod tidying;
pub mod upstream;
