//! The program `matricule`.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    api::cli::run(api::cli::Matricule::parse())
}
