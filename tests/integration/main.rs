//! The whole of Matricule as its users meet it: the programs as built, a real PostgreSQL, a real browser, and a
//! relying party on a client library that nobody here wrote.

mod audit;
mod documents;
mod elsewhere;
mod faults;
mod harness;
mod journey;
mod openapi;
mod programs;
mod relying_parties;
